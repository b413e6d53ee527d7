//! `wasmhost call`: a method of an app that a server has, by the same options as `run`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::args::{CallArgs, Common, ServerArgs};
use super::choices::{Choices, Chosen};
use super::client::{self, Server};
use super::interrupts::{INTERRUPTED, Interrupts};
use super::options::{Given, Takes, Text};
use super::target::split;
use super::terminal::{self, Failure, Outcome, say};
use super::usage::Usage;
use crate::api::{AppReport, Apps};
use crate::error::{Error, ErrorKind};
use crate::service::unknown;

pub(super) async fn call(common: &Common, args: CallArgs) -> Outcome {
    let mut interrupts = Interrupts::listen()?;
    tokio::select! {
        biased;
        done = talk(common, &args) => done,
        // The connection is closed, and with it the call is cancelled.
        () = interrupts.next() => Ok(ExitCode::from(INTERRUPTED)),
    }
}

async fn talk(common: &Common, args: &CallArgs) -> Outcome {
    let (target, words) = split("call", &args.target)?;
    let (app, path) = parse(&target)?;
    let (server, app) = find(&args.server, app).await?;
    let prefix = format!("{}/", app.name);
    let chosen = Choices { app: &app.name, classes: &app.classes, prefix: &prefix }.find(path, &target)?;
    let Chosen { class, method } = chosen;
    let usage = Usage::of_method(&format!("wasmhost call {prefix}"), class, method);
    let with_usage = |error| Failure::with_usage(error, usage.line());
    let given = match usage.takes.parse(words).map_err(with_usage)? {
        Given::Help => {
            terminal::print(usage.help().as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        Given::Options(given) => given,
    };
    let path = ["v1", "apps", &app.name, "classes", &class.name, "methods", &method.name, "calls"];
    let answer = server.post(&client::path(&path), body(&usage.takes, &given)?).await;
    let answer = answer.map_err(|error| match error.kind() {
        ErrorKind::BadRequest | ErrorKind::TooLarge => with_usage(error),
        _ => error.into(),
    })?;
    let answered: Answered<'_> = serde_json::from_slice(&answer)
        .map_err(|error| Error::internal(format!("the server's answer could not be read: {error}")))?;
    if common.verbose > 0 {
        say(&format!("instance {}", answered.instance.unwrap_or("unknown")));
    }
    print(args, &answer, answered.value.get(), method.gives.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// `APP[/[CLASS.]METHOD]`. The name of a class may hold slashes, the name of an app does not.
fn parse(target: &str) -> Result<(&str, Option<&str>), Error> {
    let (app, path) = target.split_once('/').map_or((target, None), |(app, path)| (app, Some(path)));
    // A source, or a target of `run`.
    if app.is_empty() || app == "." || app.contains("::") {
        let example = "such as `parameterized/my-class.baz`";
        return Err(Error::bad_request(format!(
            "`{target}` names no app; a target is APP[/[CLASS.]METHOD], {example}"
        )));
    }
    Ok((app, path))
}

/// The one server that has the app, and what it says of it. One that is about to have it counts.
async fn find(args: &ServerArgs, app: &str) -> Result<(Server, AppReport), Error> {
    let servers = client::servers(args).await?;
    if servers.is_empty() {
        return Err(client::no_server("no server is running", args));
    }
    let path = client::path(&["v1", "apps", app]);
    let ask = |server: Server| {
        let path = &path;
        async move {
            match server.get::<AppReport>(path).await {
                Ok(report) => Ok(Ok(report)),
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Starting) => Ok(Err(error)),
                Err(error) => Err(error),
            }
        }
    };
    let (mut having, mut lacking) = (Vec::new(), Vec::new());
    for (server, answer) in client::ask_each(servers, ask).await? {
        match answer {
            Err(error) if error.kind() == ErrorKind::NotFound => lacking.push((server, error)),
            answer => having.push((server, answer)),
        }
    }
    match (having.pop(), having.len()) {
        (Some((server, report)), 0) => report.map(|report| (server, report)),
        (Some(last), _) => {
            having.push(last);
            let list: String = having.iter().map(|(server, _)| format!("\n  {server}")).collect();
            let message = format!("several servers have the app `{app}`; say which:{list}");
            Err(Error::new(ErrorKind::Conflict, message))
        }
        (None, _) => match &lacking[..] {
            [(_, error)] => Err(error.clone()),
            [] => Err(client::no_server("no server is running", args)),
            several => Err(nowhere(several, app).await),
        },
    }
}

/// No server has the app: the nearest names of all of them.
async fn nowhere(servers: &[(Server, Error)], app: &str) -> Error {
    let servers = servers.iter().map(|(server, _)| server.clone()).collect();
    let ask = async |server: Server| server.get::<Apps>("/v1/apps").await;
    let answers = client::ask_each(servers, ask).await.unwrap_or_default();
    let known: Vec<_> = answers.into_iter().flat_map(|(_, apps)| apps.apps).map(|app| app.name).collect();
    unknown(format!("no running server has an app `{app}`"), app, &known, "apps")
}

/// What a call is asked for with: what was typed as it was typed, what came from a document as JSON.
#[derive(Default, Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<&'a str, &'a RawValue>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    arguments: BTreeMap<&'a str, &'a RawValue>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    text: BTreeMap<&'a str, &'a str>,
}

fn body(takes: &Takes<'_>, given: &[(String, Text)]) -> Result<Vec<u8>, Error> {
    let internal = |error: serde_json::Error| Error::internal(format!("the arguments could not be written: {error}"));
    let mut body = Body::default();
    for (name, text) in given {
        match text {
            Text::Shell(text) => drop(body.text.insert(name, text)),
            Text::Json(text) => {
                let value = serde_json::from_str(text).map_err(internal)?;
                let of_name = if takes.is_parameter(name) { &mut body.parameters } else { &mut body.arguments };
                of_name.insert(name, value);
            }
        }
    }
    serde_json::to_vec(&body).map_err(internal)
}

#[derive(Deserialize)]
struct Answered<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
    #[serde(borrow)]
    instance: Option<&'a str>,
}

/// Prints a result as `run` does. `gives` is its type, none if there is nothing to print.
fn print(args: &CallArgs, answer: &[u8], value: &str, gives: Option<&str>) -> Result<(), Error> {
    if args.json {
        return terminal::print(&[answer, b"\n"].concat());
    }
    let text = match (args.raw, gives) {
        (_, None) => return Ok(()),
        (true, Some("string")) => serde_json::from_str::<String>(value).map(String::into_bytes).ok(),
        (true, Some("list<u8>")) => {
            let text = serde_json::from_str::<String>(value).ok();
            if let Some(bytes) = text.and_then(|text| BASE64_STANDARD.decode(text).ok()) {
                return terminal::print(&bytes);
            }
            None
        }
        _ => None,
    };
    let mut text = text.unwrap_or_else(|| value.as_bytes().to_owned());
    text.push(b'\n');
    terminal::print(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ArgumentReport;

    #[test]
    fn a_target_begins_with_an_app() {
        assert_eq!(parse("app").unwrap(), ("app", None));
        assert_eq!(parse("app/class.method").unwrap(), ("app", Some("class.method")));
        assert_eq!(parse("app/ns:pkg/cart@1.0.0.add").unwrap(), ("app", Some("ns:pkg/cart@1.0.0.add")));
        assert!(parse("./wasmhost.toml").unwrap_err().message().contains("APP[/[CLASS.]METHOD]"));
        assert!(parse("/x").is_err());
        assert!(parse("app::class.method").unwrap_err().message().contains("APP[/[CLASS.]METHOD]"));
    }

    #[test]
    fn what_was_typed_is_sent_as_text_and_a_document_as_json() {
        let parameter = ArgumentReport {
            name: "foo-bar".to_owned(),
            r#type: "string".to_owned(),
            needs: "a string".to_owned(),
            default: None,
            required: true,
            docs: None,
        };
        let takes = Takes { parameters: &[parameter], arguments: &[] };
        let given = [
            ("foo_bar".to_owned(), Text::Json("18446744073709551616".to_owned())),
            ("qux".to_owned(), Text::Json("[1]".to_owned())),
            ("bar".to_owned(), Text::Shell("7".to_owned())),
        ];
        let sent = String::from_utf8(body(&takes, &given).unwrap()).unwrap();
        let expected = r#"{"parameters":{"foo_bar":18446744073709551616},"arguments":{"qux":[1]},"text":{"bar":"7"}}"#;
        assert_eq!(sent, expected);
    }
}
