//! What is wrong with hooks: what they take, what they return, and in which order they stand.

use crate::model::{Class, Function, Given, ReceiverKind, Returned, Role};
use crate::parse::spelled;
use crate::problems::Problems;

/// Reports mistakes in and between hooks.
pub(super) fn check(class: &Class, problems: &mut Problems) {
    for function in &class.functions {
        match function.role {
            Role::Build => build(function, problems),
            Role::BuildAndEnter => stacked(function, problems),
            Role::Exit => takes_nothing(function, "#[exit]", problems),
            Role::Enter | Role::Method(_) | Role::Handler => {}
        }
    }
    constructors(class, problems);
    enters(class, problems);
    built(class, problems);
    exits(class, problems);
}

fn build(function: &Function, problems: &mut Problems) {
    if let Some(receiver) = &function.receiver {
        let message = "`#[build]` runs before there is an instance; take no `self`, and return what `#[enter]` is \
             to get as `#[built]`";
        problems.on(&receiver.written, message);
    }
    takes_nothing(function, "#[build]", problems);
}

fn stacked(function: &Function, problems: &mut Problems) {
    if let Some(receiver) = &function.receiver {
        let message = "`#[build] #[enter]` runs before there is an instance, too; take no `self`";
        problems.on(&receiver.written, message);
    }
    takes_nothing(function, "#[build] #[enter]", problems);
}

fn takes_nothing(function: &Function, hook: &str, problems: &mut Problems) {
    for parameter in &function.parameters {
        let name = &parameter.name.rust;
        problems.on(
            name,
            format!("`{hook}` takes nothing, and `{name}` would have no value; parameters are arguments of `#[enter]`"),
        );
    }
}

fn constructors(class: &Class, problems: &mut Problems) {
    let mut constructors = class.enters().filter(|enter| enter.is_constructor());
    let Some(first) = constructors.next() else { return };
    for second in constructors {
        let message = format!(
            "`{}` makes the state already; let one of them take `&mut self` and return nothing",
            first.name.rust
        );
        problems.on(&second.name.rust, message);
    }
}

/// A step takes the state only after it was made.
fn enters(class: &Class, problems: &mut Problems) {
    let mut is_made = class.constructor().is_none_or(|constructor| matches!(constructor.role, Role::BuildAndEnter));
    for enter in class.enters().filter(|enter| matches!(enter.role, Role::Enter)) {
        is_made |= enter.is_constructor();
        let Some(receiver) = &enter.receiver else { continue };
        if enter.is_constructor() {
            problems.on(
                &receiver.written,
                "a function that makes the state takes no `self`; leave it out, or return nothing",
            );
        } else if receiver.kind != ReceiverKind::Exclusive {
            problems.on(
                &receiver.written,
                "an `#[enter]` function that does not make the state changes it; write `&mut self`",
            );
        } else if !is_made {
            let message =
                "hooks run in the order written, and the state is made further down; write this function after it";
            problems.on(&receiver.written, message);
        }
    }
}

fn built(class: &Class, problems: &mut Problems) {
    let kept: Vec<_> = class.builds().filter_map(kept).collect();
    for (at, build) in class.builds().filter(|build| kept_type(build).is_some()).enumerate() {
        if kept[..at].contains(&kept[at]) {
            let message =
                format!("another `#[build]` function returns `{}`, too; give one of them a type of its own", kept[at]);
            problems.on(&build.name.rust, message);
        }
    }
    for parameter in class.enters().flat_map(|enter| &enter.parameters) {
        let Given::Built(ty) = &parameter.given else { continue };
        let wanted = spelled(ty);
        if !kept.contains(&wanted) {
            let mut known: Vec<_> = kept.iter().map(|ty| format!("`{ty}`")).collect();
            known.dedup();
            let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
            problems.on(ty, format!("no `#[build]` function returns `{wanted}`; they return {known}"));
        }
    }
}

fn kept_type(build: &Function) -> Option<&syn::Type> {
    match &build.returns.ok {
        Returned::Kept(ty) => Some(ty),
        _ => None,
    }
}

fn kept(build: &Function) -> Option<String> {
    kept_type(build).map(spelled)
}

/// Only the last of the exits can take the state for good.
fn exits(class: &Class, problems: &mut Problems) {
    let exits: Vec<_> = class.exits().collect();
    let Some((_, earlier)) = exits.split_last() else { return };
    for exit in earlier {
        if let Some(receiver) = &exit.receiver
            && receiver.kind == ReceiverKind::Owned
        {
            let message = "hooks run in the order written, and this one leaves nothing for the next; write `&mut \
                 self`, or write it last";
            problems.on(&receiver.written, message);
        }
    }
}
