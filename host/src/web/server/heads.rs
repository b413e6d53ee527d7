//! What is known of the requests of one connection, by its bytes and by what hyper says of their heads.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{Request, Version};
use http_body::Body;
use tokio::time::Sleep;

/// Bytes of a request's head at least, beside what is counted: the version, and the ends of its first line and of itself.
const HEAD_BYTES: usize = " HTTP/1.1\n\n".len() + " ".len();

/// Lines of a head beside those of its fields.
const HEAD_LINES: usize = 2;

/// What is known of the requests of one connection. All of it is told and asked by the task of the connection.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// Bytes read so far.
    read_bytes: AtomicU64,
    /// How many of them hyper has used at least.
    used_bytes: AtomicU64,
    /// How many have to be read at least until the last request is whole.
    whole_bytes: AtomicU64,
    /// Whether the client ends lines as it should: hyper takes a line feed alone as well.
    has_returns: AtomicBool,
    /// Whether the last request is one whose length was not said beforehand.
    is_chunked: AtomicBool,
    /// Whether a request has begun after which hyper does not look for the next head yet, and whether its answer has.
    is_asked: AtomicBool,
    is_answered: AtomicBool,
    /// Whether its answer has come since hyper last began to look at what there is to do.
    is_just_answered: AtomicBool,
    /// Whether hyper waits for bytes, and so for the end of them.
    is_reading: AtomicBool,
    /// Whether the last answer may end with the connection, as those of unknown length do in HTTP/1.0.
    ends_answers: AtomicBool,
    is_broken_off: AtomicBool,
    spare: Mutex<Option<Pin<Box<Sleep>>>>,
}

impl Heads {
    /// Says that hyper looks at what there is to do.
    pub(super) fn looks(&self) {
        self.is_reading.store(false, Ordering::Relaxed);
        self.is_just_answered.store(false, Ordering::Relaxed);
    }

    /// Says that hyper wants more bytes. In the middle of a request it does when it has used those it has.
    pub(super) fn wants(&self) {
        if self.is_asked() {
            self.used_bytes.store(self.read_bytes(), Ordering::Relaxed);
        }
    }

    /// Says that the connection has read this many bytes more, or waits for some.
    pub(super) fn read(&self, bytes: Option<usize>) {
        self.is_reading.store(bytes.is_none(), Ordering::Relaxed);
        if let Some(bytes) = bytes {
            self.read_bytes.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// Says what came, of which only the first head matters: a client ends all lines alike.
    pub(super) fn came(&self, bytes: &[u8]) {
        if self.whole_bytes.load(Ordering::Relaxed) == 0 && bytes.contains(&b'\r') {
            self.has_returns.store(true, Ordering::Relaxed);
        }
    }

    /// Bytes that the connection has read.
    pub(super) fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Ordering::Relaxed)
    }

    /// Says that hyper begins to look for a head.
    pub(super) fn look_for_head(&self) {
        self.is_asked.store(false, Ordering::Relaxed);
    }

    /// Says that a request has begun.
    pub(super) fn asked<B: Body>(&self, request: &Request<B>) {
        self.ends_answers.store(request.version() < Version::HTTP_11, Ordering::Relaxed);
        self.is_asked.store(true, Ordering::Relaxed);
        self.is_answered.store(false, Ordering::Relaxed);
        // One before it was whole, too.
        let begin = self.used_bytes.load(Ordering::Relaxed).max(self.whole_bytes.load(Ordering::Relaxed));
        let body = request.body();
        // Most have no body, and then it does not matter.
        let head = if body.is_end_stream() { HEAD_BYTES } else { self.head_bytes(request) };
        let head = u64::try_from(head).unwrap_or(u64::MAX);
        let length = if body.is_end_stream() { Some(0) } else { body.size_hint().exact() };
        self.is_chunked.store(length.is_none(), Ordering::Relaxed);
        self.whole_bytes.store(begin.saturating_add(head).saturating_add(length.unwrap_or(0)), Ordering::Relaxed);
    }

    /// Bytes that the head of a request had at least: as few spaces as may be, and no more of the target than is known. A
    /// request that lacks no more than the difference is not told from a whole one.
    fn head_bytes<B>(&self, request: &Request<B>) -> usize {
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        let fields = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ":\n".len());
        let returns = match self.has_returns.load(Ordering::Relaxed) {
            true => request.headers().len() + HEAD_LINES,
            false => 0,
        };
        HEAD_BYTES + request.method().as_str().len() + target + fields.sum::<usize>() + returns
    }

    /// Says that there is an answer, of which there may be no more than the head yet.
    pub(super) fn answered(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
        self.is_just_answered.store(true, Ordering::Relaxed);
    }

    /// Whether there is a request that was begun and is not over.
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// Whether a request is under way, and hyper would not notice that its client goes: it is not reading. An answer that has
    /// just come it sends first, and with most that is all.
    pub(super) fn is_unread(&self) -> bool {
        let sends = || self.is_just_answered.load(Ordering::Relaxed);
        self.is_asked() && !self.is_reading.load(Ordering::Relaxed) && !sends()
    }

    /// Whether a request that has no answer yet lacks bytes for sure, if none come but those that wait to be read. `ends` says
    /// with what all that has come ends.
    pub(super) fn is_incomplete(&self, waiting_bytes: u64, ends: impl FnOnce() -> Option<[u8; 4]>) -> bool {
        if !self.is_asked() || self.is_answered.load(Ordering::Relaxed) {
            return false;
        }
        let came_bytes = self.read_bytes().saturating_add(waiting_bytes);
        came_bytes < self.whole_bytes.load(Ordering::Relaxed)
            || self.is_chunked.load(Ordering::Relaxed) && ends().is_some_and(|ends| ends != *b"\r\n\r\n")
    }

    /// Says that the connection ends in the middle of something.
    pub(super) fn break_off(&self) {
        self.is_broken_off.store(self.ends_answers.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Whether its end could be taken for that of an answer, which it is not.
    pub(super) fn is_broken_off(&self) -> bool {
        self.is_broken_off.load(Ordering::Relaxed)
    }

    /// What slept for the last head.
    pub(super) fn spare(&self) -> MutexGuard<'_, Option<Pin<Box<Sleep>>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty, Full};

    use super::*;

    fn request(body: impl Body) -> Request<impl Body> {
        Request::post("/a?b").header("host", "a").body(body).unwrap()
    }

    fn sized(bytes: usize) -> Full<Bytes> {
        Full::new(Bytes::from(vec![0; bytes]))
    }

    /// The head of those requests, as short as it can be.
    const HEAD: usize = "POST /a?b HTTP/1.1\nhost:a\n\n".len();

    fn is_incomplete(heads: &Heads, waiting: usize) -> bool {
        heads.is_incomplete(waiting as u64, || None)
    }

    #[test]
    fn a_request_is_whole_when_all_has_come_that_its_head_said() {
        let heads = Heads::default();
        heads.read(Some(HEAD + 10));
        heads.asked(&request(sized(100)));
        assert!(is_incomplete(&heads, 89) && !is_incomplete(&heads, 90));
        heads.answered();
        assert!(!is_incomplete(&heads, 0), "it is answered all the same");
    }

    #[test]
    fn a_head_is_as_long_as_its_client_ends_lines() {
        let heads = Heads::default();
        heads.came(b"POST /a");
        heads.came(b"?b HTTP/1.1\r\nhost:a\r\n\r\n");
        heads.read(Some(HEAD + 3));
        heads.asked(&request(sized(100)));
        assert!(is_incomplete(&heads, 99) && !is_incomplete(&heads, 100));
    }

    #[test]
    fn of_a_later_request_its_own_bytes_count() {
        let heads = Heads::default();
        heads.read(Some(HEAD + 1000));
        heads.asked(&request(sized(900)));
        // Its head was longer than it had to be: hyper has used all, and looks for the end.
        heads.wants();
        heads.read(None);
        heads.look_for_head();
        heads.read(Some(HEAD));
        heads.asked(&request(sized(50)));
        assert!(is_incomplete(&heads, 49) && !is_incomplete(&heads, 50));
    }

    #[test]
    fn requests_that_come_at_once_count_one_after_the_other() {
        let heads = Heads::default();
        heads.read(Some(3 * HEAD + 100));
        heads.asked(&request(sized(100)));
        heads.look_for_head();
        heads.asked(&request(Empty::<Bytes>::new()));
        assert!(!is_incomplete(&heads, 0));
        heads.look_for_head();
        heads.asked(&request(sized(10 + HEAD)));
        assert!(is_incomplete(&heads, 0) && !is_incomplete(&heads, 10 + HEAD));
    }

    #[test]
    fn a_request_in_chunks_is_whole_when_they_have_an_end() {
        let heads = Heads::default();
        heads.read(Some(HEAD + 100));
        // Whose frames are mapped says no length.
        heads.asked(&request(sized(5).map_frame(|frame| frame)));
        assert!(heads.is_incomplete(0, || Some(*b"lo\r\n")));
        assert!(!heads.is_incomplete(0, || Some(*b"\r\n\r\n")));
        assert!(!heads.is_incomplete(0, || None), "what is not known is not sure");
    }

    #[test]
    fn a_request_is_unread_while_hyper_waits_for_no_bytes_of_it() {
        let heads = Heads::default();
        heads.read(Some(HEAD));
        assert!(!heads.is_unread());
        heads.asked(&request(sized(1)));
        assert!(heads.is_unread());
        heads.wants();
        heads.read(None);
        assert!(!heads.is_unread());
        heads.looks();
        assert!(heads.is_unread());
    }

    #[test]
    fn nobody_is_watched_while_an_answer_is_sent_that_has_just_come() {
        let heads = Heads::default();
        heads.read(Some(HEAD));
        heads.asked(&request(Empty::<Bytes>::new()));
        assert!(heads.is_unread(), "what came with it may keep hyper from reading");
        heads.answered();
        assert!(!heads.is_unread());
        heads.looks();
        assert!(heads.is_unread(), "there is more of it, and what came with its request still lies there");
    }
}
