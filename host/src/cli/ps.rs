//! `wasmhost ps`: the pools of running servers, once or again and again.

use std::io::IsTerminal;
use std::process::ExitCode;

use serde::Serialize;

use super::args::PsArgs;
use super::client::{self, Server};
use super::interrupts::Interrupts;
use super::table::{Column, shorten, table, visible};
use super::terminal::{self, Outcome, Size, say};
use crate::api::{AppState, Apps, Pools};
use crate::error::{Error, ErrorKind};
use crate::service::{PoolReport, unknown};

/// What a terminal is told before each new table: to the corner, and nothing left of the last one.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

pub(super) async fn ps(args: PsArgs) -> Outcome {
    if !args.watch {
        let apps = ask(&args).await?;
        if apps.is_none() && !args.json {
            say("nothing runs: there is no server; start one with `wasmhost serve SOURCE`");
            return Ok(ExitCode::SUCCESS);
        }
        terminal::print(render(&args, &apps.unwrap_or_default(), terminal::size())?.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut interrupts = Interrupts::listen()?;
    tokio::select! {
        biased;
        () = interrupts.next() => Ok(ExitCode::SUCCESS),
        ended = watch(&args) => match ended? {},
    }
}

async fn watch(args: &PsArgs) -> Result<std::convert::Infallible, Error> {
    let redraws = std::io::stdout().is_terminal() && !args.json;
    loop {
        let text = match ask(args).await {
            Ok(None) if !args.json => "nothing runs\n".to_owned(),
            Ok(apps) => render(args, &apps.unwrap_or_default(), terminal::size())?,
            // A server that is restarted is back in a moment, and so is one that has much to do.
            Err(error) if matches!(error.kind(), ErrorKind::NoServer | ErrorKind::TimedOut) => {
                if args.json {
                    say(&format!("warning: {error}"));
                    String::new()
                } else {
                    format!("{error}\n")
                }
            }
            Err(error) => return Err(error),
        };
        let before = if redraws { CLEAR } else { "" };
        let after = if redraws || args.json { "" } else { "\n" };
        terminal::print(format!("{before}{text}{after}").as_bytes())?;
        tokio::time::sleep(args.interval.duration()).await;
    }
}

/// An app of a server, with its pools.
#[derive(Debug, Serialize)]
struct AppPools {
    app: String,
    /// The server's process.
    pid: Option<i32>,
    socket: String,
    state: AppState,
    /// What it waits for, if it is starting.
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
    pools: Vec<PoolReport>,
    /// How many pools there are, whether or not they are all listed.
    total: usize,
}

/// The apps that are wanted, of all servers; `None` if no server runs.
async fn ask(args: &PsArgs) -> Result<Option<Vec<AppPools>>, Error> {
    let servers = client::servers(&args.server).await?;
    let wanted = args.app.as_deref();
    let answers = client::ask_each(servers, |server| async move { ask_one(&server, wanted).await }).await?;
    if answers.is_empty() {
        return Ok(None);
    }
    let (mut known, mut all) = (Vec::new(), Vec::new());
    for (_, answer) in answers {
        known.extend(answer.known);
        all.extend(answer.apps);
    }
    match wanted {
        Some(app) if all.is_empty() => Err(unknown(format!("there is no app `{app}`"), app, &known, "apps")),
        _ => Ok(Some(all)),
    }
}

/// What one server says.
struct Answer {
    /// The names of all its apps.
    known: Vec<String>,
    /// Those that are wanted.
    apps: Vec<AppPools>,
}

async fn ask_one(server: &Server, wanted: Option<&str>) -> Result<Answer, Error> {
    let Apps { apps } = server.get::<Apps>("/v1/apps").await?;
    let known = apps.iter().map(|app| app.name.clone()).collect();
    let mut found = Vec::new();
    for app in apps.into_iter().filter(|app| wanted.is_none_or(|wanted| wanted == app.name)) {
        let pools = match app.phase {
            Some(_) => Ok(Pools { pools: Vec::new(), total: 0 }),
            None => server.get::<Pools>(&client::path(&["v1", "apps", &app.name, "pools"])).await,
        };
        match pools {
            Ok(Pools { pools, total }) => found.push(AppPools {
                app: app.name,
                pid: server.process,
                socket: server.socket.display().to_string(),
                state: app.state,
                phase: app.phase,
                pools,
                total,
            }),
            // It was taken away since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Answer { known, apps: found })
}

fn render(args: &PsArgs, apps: &[AppPools], size: Option<Size>) -> Result<String, Error> {
    if args.json {
        let json = if args.watch { serde_json::to_string(apps) } else { serde_json::to_string_pretty(apps) };
        return Ok(json.map_err(|error| Error::internal(format!("the pools could not be written: {error}")))? + "\n");
    }
    if apps.is_empty() {
        return Ok("the server has no apps\n".to_owned());
    }
    let mut text = draw(apps, size.map(|size| size.columns));
    if let (true, Some(size)) = (args.watch, size) {
        cut(&mut text, size.rows);
    }
    Ok(text)
}

const COLUMNS: [Column; 12] = [
    Column::Text("APP"),
    Column::Text("CLASS"),
    Column::Flexible("PARAMETERS"),
    Column::Number("IDLE"),
    Column::Number("BUSY"),
    Column::Number("START"),
    Column::Number("WAIT"),
    Column::Number("CALLS"),
    Column::Number("STARTS"),
    Column::Number("EXITS"),
    Column::Number("EVICT"),
    Column::Number("MEM"),
];

/// The table, and under it what does not fit into one.
fn draw(apps: &[AppPools], width: Option<usize>) -> String {
    let shows_process = apps.iter().any(|app| app.pid != apps[0].pid);
    let mut columns = COLUMNS.to_vec();
    if shows_process {
        columns.insert(0, Column::Number("PID"));
    }
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for app in apps {
        let cells = match &app.pools[..] {
            [] => vec![dashes(&app.app)],
            pools => pools.iter().map(|pool| cells(&app.app, pool)).collect(),
        };
        rows.extend(cells.into_iter().map(|mut row| {
            if shows_process {
                row.insert(0, app.pid.map_or_else(|| "-".to_owned(), |process| process.to_string()));
            }
            row
        }));
        notes.extend(
            app.phase.as_ref().map(|phase| format!("{} is not ready yet: {}", visible(&app.app), visible(phase))),
        );
        if app.total > app.pools.len() {
            notes.push(format!("{}: {} of {} pools are shown", app.app, app.pools.len(), app.total));
        }
        let failing = app.pools.iter().filter_map(|pool| Some((pool, pool.last_error.as_deref()?)));
        notes.extend(
            failing.map(|(pool, error)| format!("{} {} {}: {}", app.app, pool.class, parameters(pool), visible(error))),
        );
    }
    let mut text = table(&columns, &rows, width);
    for note in notes {
        text.push_str(&shorten(&note, width.unwrap_or(usize::MAX)));
        text.push('\n');
    }
    text
}

fn cells(app: &str, pool: &PoolReport) -> Vec<String> {
    let instances = pool.instances;
    let numbers = [
        instances.idle,
        instances.busy,
        instances.starting,
        pool.waiting,
        pool.calls,
        pool.starts,
        pool.exits,
        pool.evictions,
    ];
    let mut cells = vec![visible(app), visible(&pool.class), parameters(pool)];
    cells.extend(numbers.iter().map(ToString::to_string));
    cells.push(memory(pool.memory_bytes));
    cells
}

fn dashes(app: &str) -> Vec<String> {
    let mut cells = vec!["-".to_owned(); COLUMNS.len()];
    cells[0] = visible(app);
    cells
}

/// `name="hedgehog" size=7`.
fn parameters(pool: &PoolReport) -> String {
    let Some(parameters) = pool.parameters.as_object().filter(|parameters| !parameters.is_empty()) else {
        return "-".to_owned();
    };
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    visible(&parameters.join(" "))
}

fn memory(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    match bytes {
        0 => "0".to_owned(),
        1..MIB => format!("{}KiB", bytes.div_ceil(KIB)),
        MIB..GIB => format!("{}.{}MiB", bytes / MIB, bytes % MIB * 10 / MIB),
        _ => format!("{}.{}GiB", bytes / GIB, bytes % GIB * 10 / GIB),
    }
}

/// Leaves as many lines as a terminal shows, so that the top of the table stays in sight.
fn cut(text: &mut String, rows: usize) {
    let lines = text.lines().count();
    if lines < rows || rows < 3 {
        return;
    }
    let kept: String = text.lines().take(rows - 2).map(|line| format!("{line}\n")).collect();
    *text = format!("{kept}… and {} more lines\n", lines - (rows - 2));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::InstanceCounts;

    fn app(name: &str, pid: i32, pools: Vec<PoolReport>) -> AppPools {
        let total = pools.len();
        AppPools {
            app: name.to_owned(),
            pid: Some(pid),
            socket: "s".to_owned(),
            state: AppState::Ready,
            phase: None,
            pools,
            total,
        }
    }

    fn pool(parameters: serde_json::Value) -> PoolReport {
        PoolReport {
            class: "my-class".to_owned(),
            parameters,
            instances: InstanceCounts { idle: 2, busy: 1, ..InstanceCounts::default() },
            waiting: 3,
            calls: 1000,
            starts: 4,
            exits: 1,
            evictions: 0,
            failed_starts: 0,
            last_error: None,
            memory_bytes: 3 << 19,
        }
    }

    #[test]
    fn a_row_for_each_pool_and_dashes_for_an_app_without() {
        let pools = vec![pool(serde_json::json!({"foo": "hedge\u{9b}hog", "bar": 7})), pool(serde_json::json!({}))];
        let text = draw(&[app("parameterized", 1, pools), app("quiet", 1, Vec::new())], None);
        let rows: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0][..4], ["APP", "CLASS", "PARAMETERS", "IDLE"]);
        assert_eq!(
            rows[1],
            [
                "parameterized",
                "my-class",
                "foo=\"hedge\\u{9b}hog\"",
                "bar=7",
                "2",
                "1",
                "0",
                "3",
                "1000",
                "4",
                "1",
                "0",
                "1.5MiB"
            ]
        );
        assert_eq!(rows[2][2], "-");
        assert_eq!(rows[3], ["quiet", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-"]);
    }

    #[test]
    fn an_app_that_is_starting_says_what_it_waits_for() {
        let starting =
            AppPools { state: AppState::Starting, phase: Some("building".to_owned()), ..app("a", 1, Vec::new()) };
        let text = draw(&[starting], None);
        assert!(
            text.lines().nth(1).unwrap().starts_with("a ") && text.ends_with("a is not ready yet: building\n"),
            "{text}"
        );
    }

    #[test]
    fn several_servers_are_told_apart() {
        let text = draw(&[app("a", 1, Vec::new()), app("a", 2, Vec::new())], None);
        assert!(text.starts_with("PID") && text.contains("\n  2  a"), "{text}");
    }

    #[test]
    fn what_fails_to_start_says_why_below() {
        let failing = PoolReport { last_error: Some("`enter` failed:\nno".to_owned()), ..pool(serde_json::json!({})) };
        let text = draw(&[app("a", 1, vec![failing])], Some(200));
        assert!(text.ends_with("a my-class -: `enter` failed:\\nno\n"), "{text}");
    }

    #[test]
    fn a_long_table_is_cut_to_the_terminal() {
        let mut text = "a\nb\nc\nd\n".to_owned();
        cut(&mut text, 5);
        assert_eq!(text.lines().count(), 4);
        cut(&mut text, 4);
        assert_eq!(text, "a\nb\n… and 2 more lines\n");
    }
}
