//! What guests leave of a request in the tables of the host.

use std::collections::BTreeSet;

use wasmhost_tests::TestHost;

use super::{BOTH, get};

#[tokio::test]
async fn what_a_guest_leaves_behind_takes_no_room() {
    for guest in BOTH {
        let host = TestHost::with(|builder| builder.max_handles(500));
        let app = host.app(guest, &format!("[class.{guest}]\nreuse = true")).await.unwrap();
        host.host.publish(&app);
        let front = host.host.web_service().root(guest);
        let mut instances = BTreeSet::new();
        // The guest's own table has room for what it leaves so often, and the host's has not.
        for _ in 0..10 {
            let reply = get(&front, "/leak").await;
            assert_eq!(reply.ok(), "left", "{guest}");
            instances.insert(reply.instance().to_owned());
        }
        assert_eq!(instances.len(), 1, "{guest}");
        // It prints to what it has opened with its first line.
        assert_eq!(host.printed.texts(), ["leaves"; 10], "{guest}");
    }
}
