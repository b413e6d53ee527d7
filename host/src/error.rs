//! The one error of the crate: opaque, with a kind, a fault and a message for the caller.
//!
//! Every way in (library, shell, later HTTP) prints the same shape from it, see [`Error::to_json`]. This module knows no
//! wasmtime and no transport: HTTP statuses and exit codes are only numbers in the table of [`ErrorKind`].

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as one word that stays the same in every way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's names, values or files do not fit what they are for.
    BadRequest,
    /// There is something at this path, but it does not answer this verb.
    MethodNotAllowed,
    /// A value or a file is larger than its limit.
    TooLarge,
    /// The host was not told to allow this (`--allow-env`, `--allow-mount`), or a web page asked for what is not for pages.
    Forbidden,
    /// There is no app, class, method or file of that name.
    NotFound,
    /// Two things claim the same name, or the instance is in a state that does not allow this.
    Conflict,
    /// A call of a guest's could only wait for its own callers.
    WouldDeadlock,
    /// The method returned the error case of its `result`; [`Error::value`] holds it.
    ReturnedError,
    /// The guest trapped, panicked or ended its own process.
    Trapped,
    /// The guest asked for more memory or table space than its class may have.
    MemoryExceeded,
    /// The guest's compiler, or a `build` hook, failed.
    BuildFailed,
    /// The `enter` hook failed, so that no instance could be made.
    EnterFailed,
    /// The app is being built or loaded, for the first time since the host began.
    Starting,
    /// The host is shutting down.
    Draining,
    /// A command that talks to a server found none.
    NoServer,
    /// A limit on instances, calls or waiting callers is reached.
    Overloaded,
    /// A method or `exit` ran longer than it may; of `build` and `enter` it is their own kind, with the same setting.
    TimedOut,
    /// Something the host itself should have handled.
    Internal,
}

/// Whose doing an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The code in the component.
    Guest,
    /// Whoever made the call or wrote the manifest.
    Caller,
    /// This program or the machine it runs on.
    Host,
    /// Nobody: there is no room at the moment.
    Capacity,
}

impl ErrorKind {
    /// Every kind, in the order of the declaration, so that `kind as usize` is its place here.
    pub(crate) const ALL: [Self; 18] = [
        Self::BadRequest,
        Self::MethodNotAllowed,
        Self::TooLarge,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::WouldDeadlock,
        Self::ReturnedError,
        Self::Trapped,
        Self::MemoryExceeded,
        Self::BuildFailed,
        Self::EnterFailed,
        Self::Starting,
        Self::Draining,
        Self::NoServer,
        Self::Overloaded,
        Self::TimedOut,
        Self::Internal,
    ];

    /// The kind that is printed as `name`; `None` for one that this version does not know.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The kind as it is printed, for example `bad-request`.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status that answers with this kind.
    pub fn http_status(self) -> u16 {
        self.row().1
    }

    /// The exit code of a command that ends with this kind.
    pub fn exit_code(self) -> u8 {
        self.row().2
    }

    /// Whose doing errors of this kind are.
    pub fn fault(self) -> Fault {
        self.row().3
    }

    fn row(self) -> (&'static str, u16, u8, Fault) {
        match self {
            Self::BadRequest => ("bad-request", 400, 2, Fault::Caller),
            Self::MethodNotAllowed => ("method-not-allowed", 405, 2, Fault::Caller),
            Self::TooLarge => ("too-large", 413, 2, Fault::Caller),
            Self::Forbidden => ("forbidden", 403, 3, Fault::Caller),
            Self::NotFound => ("not-found", 404, 4, Fault::Caller),
            Self::Conflict => ("conflict", 409, 5, Fault::Caller),
            Self::WouldDeadlock => ("would-deadlock", 409, 5, Fault::Guest),
            Self::ReturnedError => ("returned-error", 500, 1, Fault::Guest),
            Self::Trapped => ("trapped", 500, 1, Fault::Guest),
            Self::MemoryExceeded => ("memory-exceeded", 500, 1, Fault::Guest),
            Self::BuildFailed => ("build-failed", 422, 1, Fault::Guest),
            Self::EnterFailed => ("enter-failed", 503, 1, Fault::Guest),
            Self::Starting => ("starting", 503, 6, Fault::Capacity),
            Self::Draining => ("draining", 503, 6, Fault::Capacity),
            Self::NoServer => ("no-server", 503, 6, Fault::Capacity),
            Self::Overloaded => ("overloaded", 429, 7, Fault::Capacity),
            Self::TimedOut => ("timed-out", 504, 8, Fault::Guest),
            Self::Internal => ("internal", 500, 70, Fault::Host),
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Any failure of this crate.
///
/// One pointer wide, so that results stay small on the path of a call.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    setting: Option<String>,
    limit: Option<String>,
    value: Option<serde_json::Value>,
    backtrace: Vec<String>,
    stderr: Option<String>,
    retry_after: Option<Duration>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            setting: None,
            limit: None,
            value: None,
            backtrace: Vec::new(),
            stderr: None,
            retry_after: None,
        }))
    }

    /// Names the setting that would change the outcome, and the limit it has now.
    pub(crate) fn with_limit(mut self, setting: impl Into<String>, limit: impl Into<String>) -> Self {
        self.0.setting = Some(setting.into());
        self.0.limit = Some(limit.into());
        self
    }

    /// Says when the same call may succeed.
    pub(crate) fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// The same failure with a way out.
    #[cfg(feature = "cli")]
    pub(crate) fn hint(mut self, hint: &str) -> Self {
        self.0.message = format!("{}; {hint}", self.0.message);
        self
    }

    /// The same failure in other words.
    #[cfg(feature = "cli")]
    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    pub(crate) fn with_value(mut self, value: serde_json::Value) -> Self {
        self.0.value = Some(value);
        self
    }

    /// The guest's functions, innermost first.
    pub(crate) fn with_backtrace(mut self, functions: Vec<String>) -> Self {
        self.0.backtrace = functions;
        self
    }

    /// The end of what the guest wrote to its standard error.
    pub(crate) fn with_stderr(mut self, tail: Option<String>) -> Self {
        self.0.stderr = tail.filter(|text| !text.is_empty());
        self
    }

    /// The same failure told from further out: `enter-failed` because of a trap keeps the trap's backtrace and limits.
    pub(crate) fn wrap(mut self, kind: ErrorKind, context: &str) -> Self {
        self.0.kind = kind;
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// Like [`wrap`](Self::wrap), but what is nobody's failure, or is a matter of the class's `memory`, keeps its own kind.
    pub(crate) fn wrap_hook(self, kind: ErrorKind, context: &str) -> Self {
        let keeps = self.0.kind == ErrorKind::MemoryExceeded || self.fault() == Fault::Capacity;
        if keeps { self } else { self.wrap(kind, context) }
    }

    /// What went wrong, as one word.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whose doing it is.
    pub fn fault(&self) -> Fault {
        self.0.kind.fault()
    }

    /// The sentence for the caller, without the guest's own output.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The setting to change, for example `memory`, when a limit was hit.
    pub fn setting(&self) -> Option<&str> {
        self.0.setting.as_deref()
    }

    /// The limit that was hit, with its unit, for example `256MiB`.
    pub fn limit(&self) -> Option<&str> {
        self.0.limit.as_deref()
    }

    /// What the method returned as its error, when the kind is [`ErrorKind::ReturnedError`].
    pub fn value(&self) -> Option<&serde_json::Value> {
        self.0.value.as_ref()
    }

    /// The names of the guest's functions at the trap, innermost first; empty when nothing trapped.
    pub fn guest_backtrace(&self) -> &[String] {
        &self.0.backtrace
    }

    /// The end of the guest's standard error at the trap, at most 4 KiB.
    pub fn guest_stderr(&self) -> Option<&str> {
        self.0.stderr.as_deref()
    }

    /// Whether the same call may succeed later without a change: there was no room, or the host was draining.
    pub fn is_retryable(&self) -> bool {
        self.fault() == Fault::Capacity
    }

    /// After how long the same call may succeed, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The same in whole seconds, at least one, as HTTP says it; also for what is passing without a known time.
    #[cfg(feature = "http")]
    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        match self.retry_after() {
            Some(wait) => Some((wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)),
            None => (self.is_retryable() || self.kind() == ErrorKind::EnterFailed).then_some(1),
        }
    }

    /// The error as every way in prints it: `{"error": {"kind", "message", "setting"?, "limit"?, "value"?, …}}`.
    pub fn to_json(&self) -> serde_json::Value {
        let mut error = self.fields();
        if !self.0.backtrace.is_empty() {
            error.insert("backtrace".into(), self.0.backtrace.clone().into());
        }
        if let Some(stderr) = self.guest_stderr() {
            error.insert("stderr".into(), stderr.into());
        }
        in_error(error)
    }

    /// The error for a caller who is not the guest's owner: like [`to_json`](Self::to_json), without the guest's functions
    /// and what it printed.
    #[cfg(feature = "http")]
    pub(crate) fn to_public_json(&self) -> serde_json::Value {
        in_error(self.fields())
    }

    /// What everybody may see.
    fn fields(&self) -> serde_json::Map<String, serde_json::Value> {
        let mut error = serde_json::Map::new();
        error.insert("kind".into(), self.kind().as_str().into());
        error.insert("message".into(), self.message().into());
        if let Some(setting) = self.setting() {
            error.insert("setting".into(), setting.into());
        }
        if let Some(limit) = self.limit() {
            error.insert("limit".into(), limit.into());
        }
        if let Some(value) = self.value() {
            error.insert("value".into(), value.clone());
        }
        error
    }

    /// Reads back what [`to_json`](Self::to_json) wrote, perhaps in another version; `None` if it is no such document.
    pub(crate) fn from_json(document: &serde_json::Value) -> Option<Self> {
        let error = document.get("error")?;
        let text = |key: &str| error.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
        let kind = ErrorKind::from_name(&text("kind")?).unwrap_or(ErrorKind::Internal);
        let mut read = Self::new(kind, text("message")?).with_stderr(text("stderr"));
        read.0.setting = text("setting");
        read.0.limit = text("limit");
        read.0.value = error.get("value").cloned();
        let functions = error.get("backtrace").and_then(serde_json::Value::as_array).into_iter().flatten();
        read.0.backtrace = functions.filter_map(|function| function.as_str().map(str::to_owned)).collect();
        Some(read)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequest, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// An input or output failure on something of the host's, named in the message.
    pub(crate) fn io(what: impl fmt::Display, error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::Forbidden,
            _ => ErrorKind::Internal,
        };
        Self::new(kind, format!("{what}: {error}"))
    }
}

fn in_error(fields: serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
    serde_json::Value::Object([("error".to_owned(), fields.into())].into_iter().collect())
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(value) = &self.0.value {
            write!(f, ": {value}")?;
        }
        for function in &self.0.backtrace {
            write!(f, "\n    at {function}")?;
        }
        if let Some(stderr) = &self.0.stderr {
            f.write_str("\n  the guest's last words:")?;
            for line in stderr.lines() {
                write!(f, "\n    {line}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.kind())
    }
}

impl StdError for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_leaves_out_what_is_not_known() {
        let plain = Error::bad_request("no `foo`").to_json();
        assert_eq!(plain, serde_json::json!({"error": {"kind": "bad-request", "message": "no `foo`"}}));

        let limited = Error::new(ErrorKind::MemoryExceeded, "too much").with_limit("memory", "1MiB").to_json();
        assert_eq!(limited["error"]["setting"], "memory");
        assert_eq!(limited["error"]["limit"], "1MiB");
    }

    #[test]
    fn every_kind_is_found_by_its_name_and_its_place() {
        for (place, kind) in ErrorKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place, "{kind}");
            assert_eq!(ErrorKind::from_name(kind.as_str()), Some(kind));
        }
        assert_eq!(ErrorKind::from_name("unlucky"), None);
    }

    #[cfg(feature = "cli")]
    #[test]
    fn what_was_written_as_json_is_read_back() {
        let error = Error::new(ErrorKind::ReturnedError, "`refuse` returned an error")
            .with_limit("memory", "1MiB")
            .with_value(serde_json::json!({"too-large": 1}))
            .with_backtrace(vec!["deeper".into()])
            .with_stderr(Some("last words".into()));
        let read = Error::from_json(&error.to_json()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{error:?}"));
        assert_eq!(read.to_json(), error.to_json());

        let of_the_future = serde_json::json!({"error": {"kind": "unlucky", "message": "no"}});
        assert_eq!(Error::from_json(&of_the_future).unwrap().kind(), ErrorKind::Internal);
        assert!(Error::from_json(&serde_json::json!({"message": "no"})).is_none());
    }

    #[test]
    fn wrapping_keeps_what_the_trap_said() {
        let error = Error::new(ErrorKind::Trapped, "wasm `unreachable` instruction executed")
            .with_backtrace(vec!["deeper".into()])
            .wrap(ErrorKind::EnterFailed, "`enter` trapped");
        assert_eq!(error.kind(), ErrorKind::EnterFailed);
        assert_eq!(error.message(), "`enter` trapped: wasm `unreachable` instruction executed");
        assert_eq!(error.guest_backtrace(), ["deeper"]);
    }
}
