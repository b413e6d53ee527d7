//! What unit tests of several modules need.

use crate::model::Class;
use crate::problems::Problems;
use crate::{check, parse};

/// Reads and checks a class that has no mistakes.
pub(crate) fn class(settings: &str, module: &str) -> Class {
    let mut problems = Problems::default();
    let mut module = syn::parse_str(module).unwrap();
    let class = parse::class(settings.parse().unwrap(), &mut module, &mut problems);
    if let Some(class) = &class {
        check::check(class, &mut problems);
    }
    assert!(problems.is_empty(), "{:?}", problems.messages());
    class.unwrap()
}
