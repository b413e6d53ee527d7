//! `wasmhost inspect`: what a person wants to know of an app before running it.

mod snapshot;

use std::fmt::Write as _;
use std::process::ExitCode;

use super::args::{Calls, InspectArgs, Preparing};
use super::context;
use super::target::Target;
use super::terminal::{self, Outcome, with_patience};
use crate::error::Error;
use crate::manifest::Origin;
use crate::service::{
    ArgumentReport, ClassReport, ComponentReport, EntrypointReport, FunctionReport, Inspection, Known,
};

pub(super) async fn inspect(args: InspectArgs) -> Outcome {
    let target = Target::parse(&args.target);
    let host = context::host(&args.cache, &args.permissions, &Preparing::default(), &Calls::default())?;
    let source = context::source(target.source)?;
    let loading = format!("loading {}", source.path().display());
    let mut inspection = with_patience(&loading, host.inspect(source)).await?;
    if let Some(path) = target.path {
        narrow(&mut inspection, path, target.source)?;
    }
    let text = if args.json {
        let json = serde_json::to_string_pretty(&inspection);
        json.map_err(|error| Error::internal(format!("the report could not be written: {error}")))? + "\n"
    } else {
        print(&inspection)
    };
    terminal::print(terminal::escape(&text).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Leaves only what `[class.]method` names: a class, or one of its functions.
fn narrow(inspection: &mut Inspection, path: &str, source: &str) -> Result<(), Error> {
    if let Some(class) = inspection.classes.iter().position(|class| class.name == path) {
        inspection.classes = vec![inspection.classes.swap_remove(class)];
        inspection.entrypoints.clear();
        return Ok(());
    }
    let (class, function) = match path.rsplit_once('.') {
        Some((class, function)) => (Some(class), function),
        None => (None, path),
    };
    let has = |report: &ClassReport| {
        class.is_none_or(|class| class == report.name)
            && (report.methods.iter().chain(&report.hooks).any(|f| f.name == function)
                || report.uncallable.iter().any(|f| f.name == function))
    };
    let known: Vec<_> = inspection
        .classes
        .iter()
        .flat_map(|class| class.methods.iter().map(|method| format!("{}.{}", class.name, method.name)))
        .collect();
    inspection.classes.retain(has);
    inspection.entrypoints.retain(|entrypoint| class.is_none() && entrypoint.kind == function);
    if inspection.classes.is_empty() && inspection.entrypoints.is_empty() {
        let all = format!("wasmhost inspect {source}");
        let known = Known { names: &known, plural: "methods", listed_by: Some(&all) };
        return Err(known.lacks(format!("the app `{}` has no `{path}`", inspection.app), path));
    }
    for class in &mut inspection.classes {
        class.methods.retain(|method| method.name == function);
        class.hooks.retain(|hook| hook.name == function);
        class.uncallable.retain(|uncallable| uncallable.name == function);
    }
    Ok(())
}

fn print(inspection: &Inspection) -> String {
    let mut out = format!("app {}\n", inspection.app);
    for component in &inspection.components {
        print_component(&mut out, component);
    }
    for entrypoint in &inspection.entrypoints {
        print_entrypoint(&mut out, entrypoint);
    }
    for class in &inspection.classes {
        print_class(&mut out, class);
    }
    if inspection.classes.is_empty() && inspection.entrypoints.is_empty() {
        out.push_str("\nNothing in it can be called or run.\n");
    }
    out
}

fn print_component(out: &mut String, component: &ComponentReport) {
    let _ = writeln!(out, "\ncomponent {}", component.name);
    row(out, "file", &format!("{} ({})", component.source, size(component.size_bytes)));
    if let Some(build) = &component.build {
        row(out, "build", build);
    }
    let code = match component.code_bytes {
        Some(bytes) => format!("compiled ({})", size(bytes)),
        None => "not compiled as it came".to_owned(),
    };
    row(out, "engine", &format!("{}; {code}", component.engine));
    row(out, "blake3", &component.digest);
    let missing: Vec<_> = component.imports.iter().filter(|import| !import.provided).collect();
    if component.imports.is_empty() {
        row(out, "imports", "nothing");
    } else if missing.is_empty() {
        row(out, "imports", &format!("{}, all of which this host has", count(component.imports.len(), "interface")));
    } else {
        let have = component.imports.len() - missing.len();
        row(out, "imports", &format!("{have} that this host has, {} that it has NOT:", missing.len()));
    }
    for import in &component.imports {
        let _ = writeln!(out, "    {} {}", if import.provided { " " } else { "!" }, import.name);
    }
}

fn print_entrypoint(out: &mut String, entrypoint: &EntrypointReport) {
    let _ = writeln!(out, "\nentrypoint of {}: {}", entrypoint.component, entrypoint.signature);
    if entrypoint.kind == "command" {
        out.push_str("  takes its arguments as they are, after `--`\n");
    }
    print_docs(out, entrypoint.docs.as_deref(), "  ");
    print_arguments(out, &entrypoint.arguments);
    if let Some(problem) = &entrypoint.problem {
        let _ = writeln!(out, "  cannot be run: {problem}");
    }
}

fn print_class(out: &mut String, class: &ClassReport) {
    let _ = match &class.interface {
        Some(interface) => writeln!(out, "\nclass {} (interface {interface} of {})", class.name, class.component),
        None => writeln!(out, "\nclass {} (at the root of {})", class.name, class.component),
    };
    print_docs(out, class.docs.as_deref(), "  ");
    if let Some(problem) = &class.problem {
        let _ = writeln!(out, "  cannot be started here: {problem}");
    }
    if !class.parameters.is_empty() {
        out.push_str("  parameters\n");
        print_arguments(out, &class.parameters);
    }
    if !class.hooks.is_empty() {
        out.push_str("  hooks\n");
        for hook in &class.hooks {
            let renamed = if hook.signature.starts_with(&format!("{}:", hook.name)) {
                String::new()
            } else {
                format!("{} is ", hook.name)
            };
            let _ = writeln!(out, "    {renamed}{}", hook.signature);
        }
    }
    for miss in &class.near_misses {
        let _ = writeln!(out, "  `{}` is a method, not the hook `{}`: {}", miss.name, miss.hook, miss.reason);
    }
    if !class.methods.is_empty() {
        out.push_str("  methods\n");
    }
    for method in &class.methods {
        print_method(out, method);
    }
    if !class.uncallable.is_empty() {
        out.push_str("  cannot be called\n");
    }
    for function in &class.uncallable {
        let _ = writeln!(out, "    {}: {}", function.name, function.reason);
    }
    if let Some(handler) = &class.handler {
        row(out, "web", &format!("answers requests through {handler}"));
    }
    if let Some(snapshot) = &class.snapshot {
        snapshot::print(out, snapshot);
    }
    print_settings(out, class);
    for note in &class.notes {
        let _ = writeln!(out, "  note: {note}");
    }
}

fn print_method(out: &mut String, method: &FunctionReport) {
    let _ = writeln!(out, "    {}", method.signature);
    print_docs(out, method.docs.as_deref(), "      ");
    if let Some(web) = &method.web {
        let _ = writeln!(out, "      web {web}");
    }
    for argument in method.arguments.iter().filter(|argument| argument.default.is_some() || argument.docs.is_some()) {
        let _ = writeln!(out, "      {}", argument_line(argument));
    }
}

fn print_arguments(out: &mut String, arguments: &[ArgumentReport]) {
    for argument in arguments {
        let _ = writeln!(out, "    {}", argument_line(argument));
    }
}

fn argument_line(argument: &ArgumentReport) -> String {
    let default = match &argument.default {
        Some(default) => format!(" = {default}"),
        None => String::new(),
    };
    let docs = argument.docs.as_deref().map(|docs| format!("  {}", docs.trim())).unwrap_or_default();
    format!("{}: {}{default}{docs}", argument.name, argument.r#type)
}

fn print_settings(out: &mut String, class: &ClassReport) {
    let (default, set): (Vec<_>, Vec<_>) = class.settings.iter().partition(|setting| setting.origin == Origin::Default);
    if !set.is_empty() {
        out.push_str("  settings\n");
    }
    let width = set.iter().map(|setting| setting.key.len()).max().unwrap_or(0);
    for setting in set {
        let _ = writeln!(out, "    {:width$}  {}  ({})", setting.key, setting.displayed(), setting.origin);
    }
    let defaults = default.iter().filter(|setting| !setting.value.is_null());
    let defaults: Vec<_> = defaults.map(|setting| format!("{} {}", setting.key, setting.displayed())).collect();
    if !defaults.is_empty() {
        out.push_str("  settings by default\n");
        wrap(out, &defaults, "    ");
    }
}

fn print_docs(out: &mut String, docs: Option<&str>, indent: &str) {
    for line in docs.unwrap_or_default().trim().lines() {
        let _ = writeln!(out, "{indent}{line}");
    }
}

/// Writes words separated by commas in lines of at most 100 columns.
fn wrap(out: &mut String, words: &[String], indent: &str) {
    let mut column = 0;
    for (index, word) in words.iter().enumerate() {
        let comma = if index + 1 < words.len() { "," } else { "" };
        if column > 0 && column + 1 + word.len() + comma.len() > 100 {
            out.push('\n');
            column = 0;
        }
        out.push_str(if column == 0 { indent } else { " " });
        column += if column == 0 { indent.len() } else { 1 } + word.len() + comma.len();
        out.push_str(word);
        out.push_str(comma);
    }
    out.push('\n');
}

fn row(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "  {name:<8} {value}");
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    }
}
