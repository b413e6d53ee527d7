//! Values as JSON, the form in which they travel between classes.
//!
//! Both ways are streams: no tree stands between a value and its text. What a component does not use is not in it, and
//! a component that makes no call uses none of it. It knows the grammar; what a type looks like is [`Value`]'s to say.
//!
//! [`Value`]: crate::Value

pub(crate) mod base64;
mod read;
mod strings;
mod write;

pub use read::{Case, Reader, Unread};
pub use write::{Fields, Writer};
