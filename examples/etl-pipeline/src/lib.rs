//! The class `etl-pipeline`: `enter` opens a connection, `run` uses it, and `exit` closes it. The connection leads to a
//! server, or is a log file, so that one can read afterwards what an instance did, and that its exit ran once.

use wasmhost_guest::prelude::*;

mod connection;
mod totals;

/// Sums up orders, and writes what it does to a connection that it holds open between `enter` and `exit`.
#[class(exit_timeout = "30s")]
mod etl_pipeline {
    use std::env;

    use crate::connection::Connection;
    use crate::totals;

    #[derive(Clone, Copy, Value)]
    pub enum Status {
        Paid,
        Refunded,
        Cancelled,
    }

    #[derive(Value)]
    pub struct Order {
        pub id: u64,
        pub customer: String,
        pub cents: i64,
        pub status: Status,
    }

    #[derive(Value)]
    pub struct Total {
        pub customer: String,
        pub orders: u32,
        pub cents: i64,
    }

    #[derive(Value)]
    pub struct Summary {
        /// Orders that count: paid ones add to the totals, refunded ones take away.
        pub loaded: u32,
        /// Cancelled orders.
        pub skipped: u32,
        pub cents: i64,
        /// One per customer, in alphabetical order.
        pub customers: Vec<Total>,
    }

    pub struct EtlPipeline {
        connection: Connection,
    }

    impl EtlPipeline {
        /// Connects to what the variable `DATABASE_URI` names.
        #[enter]
        fn open_connection() -> Result<Self> {
            let uri = env::var("DATABASE_URI").map_err(|error| error!("DATABASE_URI: {error}"))?;
            let mut connection = Connection::open(&uri)?;
            connection.write("connected\n")?;
            Ok(Self { connection })
        }

        /// Sums up the records and writes down the totals. A repeated id, a negative amount and a sum that is too large
        /// are errors, and then nothing is written.
        #[method]
        fn run(&mut self, records: Vec<Order>) -> Result<Summary> {
            let summary = totals::summarize(records)?;
            self.connection.write(&totals::lines(&summary))?;
            Ok(summary)
        }

        #[exit]
        fn close_connection(mut self) -> Result<()> {
            self.connection.write("closed\n")
        }
    }
}
