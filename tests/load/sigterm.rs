//! A server that is told to end under load answers all it took on, ends its instances in order, and takes no longer than
//! its graces.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::{Connection, Lost};
use crate::server::{App, Server};
use crate::{Random, alone, figure, pause, size};

/// Clients that keep their connection, and such that take a new one for each request: 200 requests a second together.
const KEEPING: u64 = 8;
const FRESH: u64 = 2;
/// On average half of it passes between two requests of a client.
const APART_MILLISECONDS: u64 = 100;

/// `--drain-timeout` and `exit-timeout`, with the time that starting and ending a process takes.
const GRACES: Duration = Duration::from_millis(5_000 + 1_000 + 500);

const ENTERED: &str = "printed on stderr";
/// What a call prints: 10 bytes with the line's end.
const CALLED: &str = "xxxxxxxxx";

#[test]
fn a_signal_under_load_loses_no_answer_and_no_exit() {
    alone(async {
        let runs = size(5, 100);
        let (mut random, mut longest, mut answers) = (Random::new(7), Duration::ZERO, 0);
        for run in 0..runs {
            let (took, answered) = signal_once(run, random.time(800)).await;
            longest = longest.max(took);
            answers += answered;
        }
        figure(format_args!("sigterm: {runs} runs, {answers} answers, the longest end took {longest:.1?}"));
    });
}

async fn signal_once(run: usize, after: Duration) -> (Duration, usize) {
    let app = App {
        name: "ending",
        guest: "hooks",
        settings: "[class.probe]\nexit-timeout = \"1s\"\nparameters = { mode = \"enter:print\" }\n\
                   mounts = [{ host = \"../out\", path = \"/out\", write = true }]\n\
                   [class.probe.method.write]\nweb = \"GET /write/{to}/{lines}/{width}\"\n\
                   [class.probe.method.pause]\nweb = \"GET /pause/{milliseconds}\"",
    };
    let mut server = Server::start(&[app], &["--drain-timeout", "5s"]);
    let (end, ended) = watch::channel(false);
    let ended = Arc::new(ended);
    let mut clients = JoinSet::new();
    for client in 0..KEEPING + FRESH {
        let (server, ended) = (server.process.address(), ended.clone());
        let mut client = Client { random: Random::new(client), keeps: client < KEEPING, answered: 0, called: 0 };
        clients.spawn(async move {
            let mut connection = None;
            while !*ended.borrow() {
                pause(client.random.time(APART_MILLISECONDS)).await;
                client.request(server, &mut connection).await;
            }
            client
        });
    }
    pause(after + Duration::from_millis(200)).await;
    let (status, took) = server.end();
    end.send_replace(true);
    let clients = clients.join_all().await;
    let (answered, called) = clients.iter().fold((0, 0), |(a, c), client| (a + client.answered, c + client.called));

    let said = server.process.said();
    let what = format!("run {run}, after {after:?}: {said}");
    assert_eq!(status.code(), Some(0), "{what}");
    assert!(took <= GRACES, "it took {took:?}, {what}");
    assert!(answered > 0, "{what}");
    let count = |line: &str| said.lines().filter(|said| said.contains(line)).count();
    assert_eq!(count(CALLED), called, "each call that ran was answered, {what}");
    assert_eq!(count(ENTERED), server.journal().len(), "each instance that was entered exits once, {what}");
    (took, answered)
}

/// A client with what it was told.
struct Client {
    random: Random,
    keeps: bool,
    answered: usize,
    /// Answers of calls that print.
    called: usize,
}

impl Client {
    /// Sends one request. One that is not answered is the server's right once it ends; half an answer is not.
    async fn request(&mut self, server: std::net::SocketAddr, connection: &mut Option<Connection>) {
        if connection.is_none() {
            *connection = Connection::open(server).await.ok();
        }
        let Some(open) = connection else { return };
        let prints = self.random.below(4) > 0;
        let path = if prints { "/write/stdout/1/10" } else { "/pause/20" };
        let is_last = match open.get(path).await {
            Ok(answer) => {
                assert_eq!(answer.status, 204, "{}", answer.body);
                self.answered += 1;
                self.called += usize::from(prints);
                answer.is_last()
            }
            Err(Lost::Unanswered) => true,
            Err(cut) => panic!("{cut}"),
        };
        if is_last || !self.keeps {
            *connection = None;
        }
    }
}
