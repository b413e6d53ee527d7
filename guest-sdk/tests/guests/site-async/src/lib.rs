//! Serves the promises about web handlers that are an `async fn`: calls that share an instance, and bodies of every kind.

use wasmhost_guest::prelude::*;

#[class(concurrency = 8)]
mod site_async {
    use std::cell::Cell;

    use wasmhost_guest::http::{HeaderMap, StatusCode};

    /// What a visitor sees.
    #[derive(Value)]
    pub struct Visit {
        pub name: String,
        pub count: u64,
    }

    pub struct Site {
        name: String,
        count: Cell<u64>,
    }

    impl Site {
        #[enter]
        fn enter(#[default("site")] name: String) -> Result<Self> {
            Ok(Self { name, count: Cell::new(0) })
        }

        #[get("/count")]
        fn count(&self) -> u64 {
            self.count.get()
        }

        #[web]
        async fn handle(&self, request: Request) -> Result<Response> {
            self.count.set(self.count.get() + 1);
            let path = request.uri().path().to_owned();
            let mut body = request.into_body();
            let response = match &*path {
                "/" => Response::new(Body::json(&Visit { name: self.name.clone(), count: self.count.get() })),
                "/echo" => Response::new(body),
                "/upper" => Response::new(Body::stream(async move |writer| {
                    while let Some(chunk) = body.chunk().await? {
                        writer.write(chunk.to_ascii_uppercase()).await?;
                    }
                    Ok(())
                })),
                "/length" => match body.bytes(1024).await {
                    Ok(bytes) => Response::new(bytes.len().to_string().into()),
                    Err(error) if error.is_too_large() => {
                        Response::builder().status(StatusCode::PAYLOAD_TOO_LARGE).body(error.to_string().into())?
                    }
                    Err(error) => return Err(error.into()),
                },
                "/events" => Sse::stream(async |events| {
                    events.send(Event::comment("three follow")).await?;
                    for count in 1..=3_u8 {
                        events.send(Event::data(format!("{count}\nof 3")).id(count.to_string())).await?;
                    }
                    Ok(())
                }),
                "/trailers" => {
                    let stream = Body::stream(async move |writer| {
                        let mut trailers = body.trailers().await?.unwrap_or_default();
                        trailers.insert("x-count", 3_u16.into());
                        writer.write("one two three").await?;
                        writer.set_trailers(trailers);
                        Ok(())
                    });
                    Response::builder().header("trailer", "x-count, x-up").body(stream)?
                }
                // Answered before the body has come in.
                "/early" => Response::new("early".into()),
                "/zeros" => Response::new(Body::stream(async |writer| {
                    for _ in 0..1024 {
                        writer.write(vec![0; 64 * 1024]).await?;
                    }
                    Ok(())
                })),
                "/fails" => bail!("nobody told the client this"),
                "/breaks" => Response::new(Body::stream(async |writer| {
                    writer.write("half of").await?;
                    bail!("it broke");
                })),
                "/forbidden" => Response::builder().header("connection", "close").body("no".into())?,
                "/headers" => {
                    let mut headers = HeaderMap::new();
                    headers.append("set-cookie", "a=1".parse()?);
                    headers.append("set-cookie", "b=2".parse()?);
                    let mut response = Response::new(Body::empty());
                    *response.headers_mut() = headers;
                    response
                }
                _ => Response::builder().status(StatusCode::NOT_FOUND).body("nothing is here".into())?,
            };
            Ok(response)
        }
    }
}
