//! A server that is told to end under load answers all it took on, ends its instances in order, and takes no longer than
//! its graces.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::{Connection, Lost};
use crate::server::{App, Server};
use crate::{Random, alone, figure, pause, promised, size};

/// Clients that keep their connection, and such that take a new one for each request: 200 requests a second together.
const KEEPING: u64 = 8;
const FRESH: u64 = 2;
/// On average half of it passes between two requests of a client.
const APART_MILLISECONDS: u64 = 100;

/// `--drain-timeout` and `exit-timeout`, with the time that starting and ending a process takes.
const GRACES: Duration = Duration::from_millis(5_000 + 1_000 + 500);

const ENTERED: &str = "printed on stderr";
/// What the host says of each call that has come to an end, with the method's name before it.
const CALLED: &str = "called instance=";
const METHODS: [&str; 2] = ["write", "pause"];

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

/// `--drain-timeout` and `exit-timeout`, in milliseconds, where both are used up.
const DRAIN: u64 = 1_000;
const EXIT: u64 = 1_500;

#[test]
fn a_call_and_an_exit_without_end_have_their_graces_and_no_more() {
    alone(async {
        let settings = format!(
            "[class.probe]\nexit-timeout = \"{EXIT}ms\"\nparameters = {{ mode = \"exit:sleep\" }}\n\
             mounts = [{{ host = \"../out\", path = \"/out\", write = true }}]\n\
             [class.probe.method.count]\nweb = \"GET /count\"\n[class.probe.method.pause]\nweb = \"GET /pause/{{milliseconds}}\""
        );
        let app = App { name: "ending", guest: "hooks", settings: &settings };
        let mut server = Server::start(&[app], &["--drain-timeout", &format!("{DRAIN}ms")]);
        assert_eq!(server.get("/count").await.status, 200, "an instance that will be idle, and not exit");
        let mut connection = server.connect().await;
        let mut cut = JoinSet::new();
        cut.spawn(async move {
            let answer = connection.get("/pause/60000?mode=").await;
            (answer.map(|answer| answer.status), Instant::now())
        });
        crate::until("the call runs", async || server.metric("wasmhost_instances", "state=\"busy\"").await == 1).await;
        let began = Instant::now();
        let (status, took) = server.end();
        let (answer, answered) = cut.join_next().await.unwrap().unwrap();
        let drained = answered - began;
        figure(format_args!("sigterm: a call without end got {answer:?} after {drained:.1?}, the end took {took:.1?}"));

        let said = server.process.said();
        assert_eq!(status.code(), Some(0), "{said}");
        let (drain, exit) = (Duration::from_millis(DRAIN), Duration::from_millis(EXIT));
        assert!(drained >= drain, "the call was given {drained:?}");
        assert!(drained <= drain + promised(250), "the call was given {drained:?}");
        assert!(took >= drain + exit, "it took {took:?}: {said}");
        assert!(took <= drain + exit + promised(500), "it took {took:?}: {said}");
        // The call's own instance was in use when its time was over, and goes without.
        assert_eq!(server.journal(), ["exit mode=exit:sleep"]);
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
    let mut server = Server::start(&[app], &["--drain-timeout", "5s", "-vv"]);
    let (end, ended) = watch::channel(false);
    let ended = Arc::new(ended);
    let mut clients = JoinSet::new();
    for client in 0..KEEPING + FRESH {
        let (server, ended) = (server.process.address(), ended.clone());
        let mut client = Client { random: Random::new(client), keeps: client < KEEPING, answered: [0; 2] };
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
    let answered =
        METHODS.iter().enumerate().map(|(method, _)| clients.iter().map(|client| client.answered[method]).sum());
    let answered: Vec<usize> = answered.collect();

    let said = server.process.said();
    let what = format!("run {run}, after {after:?}: {said}");
    assert_eq!(status.code(), Some(0), "{what}");
    assert!(took <= GRACES, "it took {took:?}, {what}");
    let count = |words: &[&str]| said.lines().filter(|said| words.iter().all(|word| said.contains(word))).count();
    for (method, answered) in METHODS.iter().zip(&answered) {
        assert!(*answered > 0, "{method}, {what}");
        let called = count(&[&format!("method=\"{method}\""), CALLED]);
        assert_eq!(called, *answered, "each call of `{method}` that ran was answered, {what}");
    }
    assert_eq!(count(&[ENTERED]), server.journal().len(), "each instance that was entered exits once, {what}");
    (took, answered.iter().sum())
}

/// A client with what it was told.
struct Client {
    random: Random,
    keeps: bool,
    /// How often, by method.
    answered: [usize; METHODS.len()],
}

impl Client {
    /// Sends one request. One that is not answered is the server's right once it ends; half an answer is not.
    async fn request(&mut self, server: std::net::SocketAddr, connection: &mut Option<Connection>) {
        if connection.is_none() {
            *connection = Connection::open(server).await.ok();
        }
        let Some(open) = connection else { return };
        let (method, path) = if self.random.below(4) > 0 { (0, "/write/stdout/1/10") } else { (1, "/pause/20") };
        let is_last = match open.get(path).await {
            Ok(answer) => {
                assert_eq!(answer.status, 204, "{}", answer.body);
                self.answered[method] += 1;
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
