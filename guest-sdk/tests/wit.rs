//! The crate has a copy of what the host provides, because it is published without the host.

#[test]
fn the_copy_is_what_the_host_provides() {
    let [copy, original] = [include_str!("../wit/host.wit"), include_str!("../../wit/host.wit")];
    assert!(copy == original, "`guest-sdk/wit/host.wit` is a copy of `wit/host.wit`: copy it again");
}
