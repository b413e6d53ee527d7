//! Which request is answered by what.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::report::{AppReport, AppState, AppSummary, Apps, Pools};
use super::respond::Refused;
use super::{Api, call};
use crate::error::{Error, ErrorKind};

/// Pools that one answer lists unless the client asks for another number.
const DEFAULT_POOLS: usize = 1_000;

/// The type of OpenMetrics text. Prometheus takes it as readily as its own.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole of the API.
pub(super) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/v1/apps/{app}/classes/{class}/methods/{method}/calls", post(call::call))
        .route("/v1/apps", get(apps))
        .route("/v1/apps/{app}", get(app))
        .route("/v1/apps/{app}/pools", get(pools))
        .route("/v1/live", get(live))
        .route("/v1/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(nothing_there)
        .method_not_allowed_fallback(not_that_method)
        .layer(middleware::from_fn(refuse_browsers))
        .with_state(api)
}

async fn apps(State(api): State<Arc<Api>>) -> Json<Apps> {
    let state = state(&api);
    // Asked first, as in `Api::app`.
    let phases = (api.phases)();
    let published = api.host.apps();
    let starting = phases.iter().filter(|(name, _)| !published.contains_key(*name));
    let mut apps: Vec<_> = starting.map(|(name, phase)| AppSummary::starting(name, phase)).collect();
    apps.extend(published.values().map(|app| AppSummary::of(app, state)));
    apps.sort_by(|a, b| a.name.cmp(&b.name));
    Json(Apps { apps })
}

async fn app(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<AppReport>, Refused> {
    Ok(Json(AppReport::of(&api.app(&path?.0)?, state(&api))))
}

/// What of its pools a client wants to see.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    class: Option<String>,
    limit: Option<usize>,
}

async fn pools(
    State(api): State<Arc<Api>>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Pools>, Refused> {
    let Query(wanted) = query?;
    let app = api.app(&path?.0)?;
    let class = wanted.class.map(|class| app.class(&class)).transpose()?;
    let (pools, total) = app.foremost_pools(class.as_ref(), wanted.limit.unwrap_or(DEFAULT_POOLS));
    Ok(Json(Pools { pools, total }))
}

async fn live() -> Json<serde_json::Value> {
    Json(json!({ "live": true, "pid": std::process::id(), "version": env!("CARGO_PKG_VERSION") }))
}

async fn ready(State(api): State<Arc<Api>>) -> Response {
    match api.phase() {
        None => Json(json!({ "ready": true })).into_response(),
        Some(phase) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "phase": phase }))).into_response()
        }
    }
}

async fn metrics(State(api): State<Arc<Api>>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], api.host.metrics()).into_response()
}

async fn nothing_there(uri: Uri) -> Refused {
    Error::not_found(format!("there is nothing at `{}`", uri.path())).into()
}

async fn not_that_method(method: Method, uri: Uri) -> Refused {
    Error::new(ErrorKind::MethodNotAllowed, format!("`{}` does not answer {method}", uri.path())).into()
}

/// A web page has no business here, whatever it got to speak to a socket for it.
async fn refuse_browsers(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        let message = "requests of web pages, which have an `Origin`, are refused";
        return Refused::from(Error::new(ErrorKind::Forbidden, message)).into_response();
    }
    next.run(request).await
}

fn state(api: &Api) -> AppState {
    if api.is_draining() { AppState::Draining } else { AppState::Ready }
}
