//! The class `etl-pipeline`: `enter` opens a connection, `run` uses it, and `exit` closes it. The connection is a log
//! file, so that one can read afterwards what an instance did, and that its exit ran once.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::Mutex;

use exports::example::etl_pipeline::etl_pipeline::{Guest, Order, Summary};

mod totals;

wit_bindgen::generate!({ path: "wit" });

static CONNECTION: Mutex<Option<Connection>> = Mutex::new(None);

/// An open log.
struct Connection {
    file: File,
}

impl Connection {
    /// Opens the log at `uri`, which must be a `file://` URI with an absolute path.
    fn open(uri: &str) -> Result<Self, String> {
        let path = uri.strip_prefix("file://").filter(|path| path.starts_with('/'));
        let path = path.ok_or_else(|| format!("`DATABASE_URI` is `{uri}`, and should begin with `file:///`"))?;
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| format!("cannot open {path}: {error}"))?;
        Ok(Self { file })
    }

    /// Appends `lines` in one write, so that instances that share the log do not split each other's lines.
    fn append(&mut self, lines: &str) -> Result<(), String> {
        self.file.write_all(lines.as_bytes()).map_err(|error| format!("cannot write to the log: {error}"))
    }
}

struct EtlPipeline;

impl Guest for EtlPipeline {
    fn enter() -> Result<(), String> {
        let uri = std::env::var("DATABASE_URI").map_err(|_| "`DATABASE_URI` is not set".to_owned())?;
        let mut connection = Connection::open(&uri)?;
        connection.append("connected\n")?;
        *CONNECTION.lock().expect("no holder of the lock panics") = Some(connection);
        Ok(())
    }

    fn run(records: Vec<Order>) -> Result<Summary, String> {
        let summary = totals::summarize(records)?;
        let mut lines = format!("loaded {} skipped {} cents {}\n", summary.loaded, summary.skipped, summary.cents);
        for total in &summary.customers {
            lines += &format!("customer {} orders {} cents {}\n", total.customer, total.orders, total.cents);
        }
        let mut connection = CONNECTION.lock().expect("no holder of the lock panics");
        connection.as_mut().ok_or("not connected")?.append(&lines)?;
        Ok(summary)
    }

    fn exit() {
        let connection = CONNECTION.lock().expect("no holder of the lock panics").take();
        if let Some(mut connection) = connection
            && let Err(error) = connection.append("closed\n")
        {
            eprintln!("{error}");
        }
    }
}

export!(EtlPipeline);
