//! Bodies of guests' requests that are never finished: who gets them is not to take them for whole.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use tower_service::Service;
use wasmhost_tests::{SOON, TestHost};

use super::sites::Site;
use super::{call, listed};

/// What a body ends with that is whole.
const END: &str = "0\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_guest_dies_is_never_whole() {
    for guest in ["outbound", "outbound-async"] {
        let (site, mut came) = Site::silent().await;
        let host = TestHost::new();
        let place = format!("http://localhost:{}", site.port);
        let (_app, bound) = listed(&host, guest, &[&place], "").await;
        let mut begun = 0;
        for number in 0..100 {
            // It is connected once the third piece is taken.
            let died = call::<()>(&bound, "post-and-die", &(&place, 3 + number % 8)).await.unwrap_err();
            assert!(died.contains("trapped") || died.contains("ended"), "{died}");
            let upload = tokio::time::timeout(SOON, came.recv()).await.unwrap().unwrap();
            assert!(!upload.ends_with(END), "{guest}, {number}: {upload}");
            begun += u32::from(upload.ends_with('x') || upload.ends_with("x\r\n"));
        }
        assert!(begun > 0, "{guest}");
    }
}

#[tokio::test]
async fn an_upload_that_a_handler_leaves_behind_is_never_whole() {
    let (site, mut came) = Site::silent().await;
    let (host, place) = (TestHost::new(), format!("localhost:{}", site.port));
    let settings = format!("[class.http]\nreuse = true\nallow-outbound = [\"http://{place}\"]");
    let app = host.app("http", &settings).await.unwrap();
    host.host.publish(&app);
    for (length, end) in [("", END), ("/length", "the beginning")] {
        let request = Request::get(format!("/unfinished/{place}{length}")).header("host", "127.0.0.1");
        let request = request.body(Full::new(Bytes::new())).unwrap();
        let answer = host.host.web_service().root("http").call(request).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "left");
        let upload = tokio::time::timeout(SOON, came.recv()).await.unwrap().unwrap();
        // Nothing of it may have been sent yet when it was left.
        assert!(!upload.ends_with(end), "{upload}");
    }
}
