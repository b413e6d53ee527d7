#[web]
async fn handle(request: Request) -> Response {
    Response::new(request.into_body())
}
