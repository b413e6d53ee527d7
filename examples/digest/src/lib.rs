//! The class `digest`: a body of any length goes through it, piece by piece, and its digest comes out.

use wasmhost_guest::prelude::*;

/// Digests bodies that are larger than its memory.
#[class(memory = "4MiB", reuse = true)]
mod digest {
    use sha2::{Digest as _, Sha256};
    use wasmhost_guest::http::{Method, StatusCode};

    /// What came, and what it comes to.
    #[derive(Value)]
    pub struct Digested {
        pub bytes: u64,
        pub sha256: String,
    }

    #[web]
    fn handle(request: Request) -> Result<Response> {
        if !matches!(*request.method(), Method::POST | Method::PUT) {
            let response = Response::builder().status(StatusCode::METHOD_NOT_ALLOWED).header("allow", "POST, PUT");
            return Ok(response.body("send what is to be digested\n".into())?);
        }
        let mut body = request.into_body();
        let (mut bytes, mut hasher) = (0, Sha256::new());
        // While this digests a piece, the next ones are on their way, and no more than a few of them.
        while let Some(piece) = body.chunk().wait()? {
            bytes += piece.len() as u64;
            hasher.update(&piece);
        }
        let sha256 = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Response::new(Body::json(&Digested { bytes, sha256 })))
    }
}
