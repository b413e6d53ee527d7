//! Mistakes that no single item shows: what contradicts something elsewhere in the class.
//!
//! Each rule is one function, and all of them run. It must not know what is made of a class.

use std::collections::HashMap;

use crate::model::{Class, Given, ReceiverKind};
use crate::parse::shape;
use crate::problems::Problems;

mod hooks;
mod types;

/// Reports all that is wrong with the class as a whole.
pub(crate) fn check(class: &Class, problems: &mut Problems) {
    hooks::check(class, problems);
    types::check(class, problems);
    has_methods(class, problems);
    names_of_methods(class, problems);
    handlers(class, problems);
    receivers_of_methods(class, problems);
    names_of_arguments(class, problems);
    routes(class, problems);
    concurrency(class, problems);
}

fn has_methods(class: &Class, problems: &mut Problems) {
    if class.methods().chain(class.handlers()).next().is_none() && problems.is_empty() {
        let message = format!("the class `{}` has no method; put `#[method]` on a function", class.name.wit);
        problems.on(&class.name.rust, message);
    }
}

fn names_of_methods(class: &Class, problems: &mut Problems) {
    let mut seen = Vec::new();
    for method in class.methods() {
        let name = &method.name;
        if ["build", "enter", "exit", "restore"].contains(&name.wit.as_str()) {
            problems.on(&name.rust, format!("`{}` is the name of a hook; give the method another one", name.wit));
        }
        if seen.contains(&&name.wit) {
            problems.on(&name.rust, format!("`{}` is a method already; give one of the two another name", name.wit));
        }
        seen.push(&name.wit);
    }
}

fn handlers(class: &Class, problems: &mut Problems) {
    let mut handlers = class.handlers();
    let Some(first) = handlers.next() else { return };
    for second in handlers {
        let message = format!(
            "`{}` is the web handler already; let one of the two choose by the path, or give one a route",
            first.name.rust
        );
        problems.on(&second.name.rust, message);
    }
}

fn receivers_of_methods(class: &Class, problems: &mut Problems) {
    for method in class.methods().chain(class.handlers()) {
        if let Some(receiver) = &method.receiver
            && receiver.kind == ReceiverKind::Owned
        {
            let message = format!(
                "the method `{}` would leave nothing for the next call; write `&self` or `&mut self`",
                method.name.wit
            );
            problems.on(&receiver.written, message);
        }
    }
}

fn names_of_arguments(class: &Class, problems: &mut Problems) {
    let mut parameters = Vec::new();
    for (parameter, ..) in class.enters().flat_map(|enter| enter.values()) {
        if parameters.contains(&&parameter.name.wit) {
            let message = format!(
                "`{}` is a parameter already; the `#[enter]` functions share one list of them",
                parameter.name.wit
            );
            problems.on(&parameter.name.rust, message);
        }
        parameters.push(&parameter.name.wit);
    }
    for method in class.methods() {
        let mut arguments = Vec::new();
        for parameter in &method.parameters {
            let name = &parameter.name;
            if let Given::Built(_) = parameter.given {
                let message =
                    format!("`#[built]` is for `#[enter]`; keep what `{}` needs in the state", method.name.wit);
                problems.on(&name.rust, message);
            }
            if parameters.contains(&&name.wit) {
                let message = format!(
                    "`{}` is a parameter of the class and an argument of its method `{}`, so that a caller could \
                     not say which is meant; rename one",
                    name.wit, method.name.wit
                );
                problems.on(&name.rust, message);
            }
            if arguments.contains(&&name.wit) {
                problems.on(&name.rust, format!("`{}` is an argument already; rename one", name.wit));
            }
            arguments.push(&name.wit);
        }
    }
}

fn routes(class: &Class, problems: &mut Problems) {
    let mut taken: HashMap<String, String> = HashMap::new();
    for method in class.methods() {
        let Some(route) = method.route() else { continue };
        let name = &method.name.wit;
        if let Some(earlier) = taken.insert(shape(route), name.clone()) {
            let message = format!(
                "the methods `{earlier}` and `{name}` answer the same requests, `{} {}`; change one of the routes",
                route.verb, route.path
            );
            problems.at(route.span, message);
        }
        let parameters = class.enters().flat_map(|enter| enter.values());
        let known: Vec<_> = method.values().chain(parameters).map(|(parameter, ..)| &parameter.name.wit).collect();
        for capture in &route.captures {
            if !known.contains(&&capture.replace('_', "-")) {
                let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
                let known = if known.is_empty() {
                    "there are none".to_owned()
                } else {
                    format!("there are {}", known.join(", "))
                };
                let message =
                    format!("`{{{capture}}}` is neither an argument of `{name}` nor a parameter of the class; {known}");
                problems.at(route.span, message);
            }
        }
    }
}

/// A class that shares its instances has something to share.
fn concurrency(class: &Class, problems: &mut Problems) {
    let Some(setting) = class.setting("concurrency").filter(|_| class.concurrency() > 1) else { return };
    let called = || class.methods().chain(class.handlers());
    let mut methods = called().filter_map(|method| method.receiver.as_ref()).peekable();
    let is_exclusive = methods.peek().is_some() && called().all(|method| method.receiver.is_some());
    if is_exclusive && methods.all(|receiver| receiver.kind == ReceiverKind::Exclusive) {
        let message = format!(
            "`concurrency = {}` has no effect, because each method takes `&mut self` and runs alone; write `&self` \
             where calls may share the instance, or leave `concurrency` out",
            class.concurrency()
        );
        problems.on(&setting.written, message);
        for method in called() {
            if let Some(receiver) = &method.receiver {
                problems.on(&receiver.written, "this keeps other calls out of the instance");
            }
        }
    }
}
