//! Looks after a client from whom nobody reads: one that goes while the body of its request lies unread.
//!
//! Hyper notices that a stream ends when it reads the end, and it does not read while a guest takes nothing of a body. So the
//! kernel is asked, once that has lasted a moment. It can tell
//!
//! - a reset: the client is gone;
//! - the end of what the client sends. It has closed the connection, or it has asked all that it wanted to ask and waits for
//!   the answer, which it may: these look alike until something is written. But where less has come than the head of the
//!   request has said, nobody is there who waits for its answer;
//! - nothing, if the client's own kernel has bytes left for which there is no room here: these come before the end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::heads::Heads;

pub(super) use peer::Peer;

/// How long nobody reads before the kernel is asked: an epoch. Most guests read at once.
const PATIENCE: Duration = Duration::from_millis(5);

/// What is known of a client from whom nobody reads.
#[derive(Debug, Default)]
pub(super) struct Watch {
    state: State,
    /// Kept from one time to the next, and moved only when it wakes too early.
    sleep: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Default)]
enum State {
    /// Somebody reads.
    #[default]
    Off,
    /// Nobody has read since then.
    Waiting(Instant),
    Watching(Peer),
    /// There is no more to be told.
    Told,
}

/// How a client stands to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Gone,
    /// It sends no more, and may wait for an answer.
    Silent,
}

/// A socket that can be watched.
pub(super) trait Watched {
    /// A handle for it; none where there is no way to watch.
    fn peer(&self) -> Option<Peer>;
}

impl Watch {
    /// Says that somebody reads.
    pub(super) fn rest(&mut self) {
        self.state = State::Off;
    }

    /// Whether the client is gone, from whom nobody reads. If not, its going wakes the task. `last` is what was read last.
    pub(super) fn is_gone(
        &mut self,
        context: &mut Context<'_>,
        socket: &impl Watched,
        (heads, last): (&Heads, [u8; 4]),
    ) -> bool {
        loop {
            self.state = match &mut self.state {
                State::Off => State::Waiting(Instant::now()),
                State::Waiting(since) => {
                    let until = *since + PATIENCE;
                    let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
                    if sleep.as_mut().poll(context).is_pending() {
                        return false;
                    }
                    if sleep.deadline() < until {
                        sleep.as_mut().reset(until);
                        continue;
                    }
                    socket.peer().map_or(State::Told, State::Watching)
                }
                State::Watching(peer) => match peer.poll(context, heads, last) {
                    Poll::Pending => return false,
                    Poll::Ready(Standing::Gone) => return true,
                    Poll::Ready(Standing::Silent) => State::Told,
                },
                State::Told => return false,
            };
        }
    }
}

#[cfg(target_os = "linux")]
mod peer {
    //! A second handle for a socket, so that what is known of the first one's readiness stays as it is.

    use std::io;
    use std::os::fd::AsFd;
    use std::task::{Context, Poll, ready};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::io::ioctl_fionread;
    use rustix::net::{RecvFlags, recv};
    use tokio::io::Interest;
    use tokio::net::TcpStream;

    use super::super::heads::Heads;
    use super::{Standing, Watched};

    #[derive(Debug)]
    pub(in super::super) struct Peer(TcpStream);

    impl Watched for TcpStream {
        fn peer(&self) -> Option<Peer> {
            // Without room for another handle the client is noticed when something is written.
            let handle = self.as_fd().try_clone_to_owned().ok()?;
            TcpStream::from_std(handle.into()).ok().map(Peer)
        }
    }

    impl Peer {
        pub(super) fn poll(&self, context: &mut Context<'_>, heads: &Heads, last: [u8; 4]) -> Poll<Standing> {
            loop {
                // More bytes wake it too, as long as there is room for them.
                if ready!(self.0.poll_read_ready(context)).is_err() {
                    return Poll::Ready(Standing::Silent);
                }
                if let Some(standing) = self.standing(heads, last) {
                    return Poll::Ready(standing);
                }
                // Until there is more, there is nothing to be told.
                let _ = self.0.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
            }
        }

        /// How the client stands; `None` while it may send more.
        fn standing(&self, heads: &Heads, last: [u8; 4]) -> Option<Standing> {
            let mut seen = [PollFd::new(&self.0, PollFlags::RDHUP)];
            poll(&mut seen, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).ok()?;
            let seen = seen[0].revents();
            if seen.intersects(PollFlags::ERR | PollFlags::HUP) {
                return Some(Standing::Gone);
            }
            if !seen.contains(PollFlags::RDHUP) {
                return None;
            }
            let waiting_bytes = ioctl_fionread(&self.0).ok()?;
            let is_incomplete = heads.is_incomplete(waiting_bytes, || self.ends(waiting_bytes, last));
            Some(if is_incomplete { Standing::Gone } else { Standing::Silent })
        }

        /// With what all that has come ends. No more can come, so that this is asked once.
        fn ends(&self, waiting_bytes: u64, last: [u8; 4]) -> Option<[u8; 4]> {
            let mut ends = last.to_vec();
            // As much as the kernel keeps for a connection, which is bounded.
            let mut waiting = vec![0; usize::try_from(waiting_bytes).ok()?];
            if !waiting.is_empty() {
                let (_, read) = recv(&self.0, &mut waiting[..], RecvFlags::PEEK | RecvFlags::DONTWAIT).ok()?;
                ends.extend_from_slice(&waiting[..read]);
            }
            ends.last_chunk().copied()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod peer {
    //! Elsewhere the client is noticed when something is written.

    use std::convert::Infallible;
    use std::task::{Context, Poll};

    use tokio::net::TcpStream;

    use super::super::heads::Heads;
    use super::{Standing, Watched};

    #[derive(Debug)]
    pub(in super::super) struct Peer(Infallible);

    impl Watched for TcpStream {
        fn peer(&self) -> Option<Peer> {
            None
        }
    }

    impl Peer {
        pub(super) fn poll(&self, _: &mut Context<'_>, _: &Heads, _: [u8; 4]) -> Poll<Standing> {
            match self.0 {}
        }
    }
}
