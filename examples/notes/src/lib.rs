//! The class `notes`: a small application, with all its routes in one handler.

use wasmhost_guest::prelude::*;

/// Keeps notes in the memory of its one instance, for as long as it is served.
#[class(min_instances = 1, max_instances = 1)]
mod notes {
    use std::collections::BTreeMap;

    use wasmhost_guest::http::{Method, StatusCode};

    /// Larger bodies are refused before they are read.
    const MAX_NOTE_BYTES: usize = 64 * 1024;

    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct NewNote {
        text: String,
    }

    /// A note with its number.
    #[derive(Value)]
    pub struct Note {
        pub id: u64,
        pub text: String,
    }

    /// What a client is told that asked for something else.
    #[derive(Value)]
    pub struct Problem {
        pub error: String,
    }

    #[derive(Default)]
    pub struct Notes {
        notes: BTreeMap<u64, String>,
        last: u64,
    }

    impl Notes {
        #[web]
        fn handle(&mut self, request: Request) -> Result<Response> {
            let (head, body) = request.into_parts();
            let path: Vec<_> = head.uri.path().split('/').skip(1).collect();
            match (&head.method, path.as_slice()) {
                (&Method::GET, ["notes"]) => self.list(head.uri.query().unwrap_or_default()),
                (&Method::POST, ["notes"]) => self.add(body),
                (_, ["notes"]) => not_allowed("GET, POST"),
                (method, ["notes", id]) => match id.parse() {
                    Ok(id) if self.notes.contains_key(&id) => self.one(method, id, body),
                    _ => problem(StatusCode::NOT_FOUND, format!("there is no note `{id}`")),
                },
                _ => problem(StatusCode::NOT_FOUND, "there are `/notes` and `/notes/ID`"),
            }
        }

        /// `?contains=WORD&limit=10`, each of which may be left out.
        fn list(&self, query: &str) -> Result<Response> {
            let (mut contains, mut limit) = (String::new(), usize::MAX);
            for (key, value) in form_urlencoded::parse(query.as_bytes()) {
                match &*key {
                    "contains" => contains = value.into_owned(),
                    "limit" => match value.parse() {
                        Ok(number) => limit = number,
                        Err(_) => return problem(StatusCode::BAD_REQUEST, format!("`limit` is no number: `{value}`")),
                    },
                    other => return problem(StatusCode::BAD_REQUEST, format!("there is no `{other}` to ask for")),
                }
            }
            let found = self.notes.iter().filter(|(_, text)| text.contains(&contains)).take(limit);
            let found: Vec<_> = found.map(|(&id, text)| Note { id, text: text.clone() }).collect();
            Ok(Response::new(Body::json(&found)))
        }

        fn add(&mut self, body: Body) -> Result<Response> {
            let text = match text(body) {
                Ok(text) => text,
                Err((status, error)) => return problem(status, error),
            };
            self.last += 1;
            self.notes.insert(self.last, text.clone());
            // From `/notes` on, wherever that is served.
            let location = format!("notes/{}", self.last);
            let response = Response::builder().status(StatusCode::CREATED).header("location", location);
            Ok(response.body(Body::json(&Note { id: self.last, text }))?)
        }

        fn one(&mut self, method: &Method, id: u64, body: Body) -> Result<Response> {
            match *method {
                Method::GET => {}
                Method::PUT => match text(body) {
                    Ok(text) => drop(self.notes.insert(id, text)),
                    Err((status, error)) => return problem(status, error),
                },
                Method::DELETE => {
                    self.notes.remove(&id);
                    return Ok(Response::builder().status(StatusCode::NO_CONTENT).body(Body::empty())?);
                }
                _ => return not_allowed("GET, PUT, DELETE"),
            }
            Ok(Response::new(Body::json(&Note { id, text: self.notes[&id].clone() })))
        }
    }

    /// The text of a new note, or what is wrong with it.
    fn text(mut body: Body) -> Result<String, (StatusCode, String)> {
        let bytes = body.bytes(MAX_NOTE_BYTES).wait().map_err(|error| {
            let status = if error.is_too_large() { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST };
            (status, error.to_string())
        })?;
        let note: NewNote =
            serde_json::from_slice(&bytes).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
        Ok(note.text)
    }

    fn not_allowed(allow: &str) -> Result<Response> {
        let body = Body::json(&Problem { error: format!("here only {allow} are answered") });
        Ok(Response::builder().status(StatusCode::METHOD_NOT_ALLOWED).header("allow", allow).body(body)?)
    }

    fn problem(status: StatusCode, error: impl Into<String>) -> Result<Response> {
        Ok(Response::builder().status(status).body(Body::json(&Problem { error: error.into() }))?)
    }
}
