//! Serves the promises about `allow-outbound` for WASI 0.3: its HTTP client, TCP and name lookup.

use std::net::SocketAddr;

use exports::test::outbound_async::probe::Guest;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response, Scheme};
use wasip3::sockets::ip_name_lookup;
use wasip3::sockets::types::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket};
use wasip3::{wit_bindgen, wit_future, wit_stream};

wit_bindgen::generate!({ path: "wit", runtime_path: "wasip3::wit_bindgen::rt" });

struct Probe;

impl Guest for Probe {
    async fn get(url: String) -> Result<String, String> {
        let (trailers, no_trailers) = wit_future::new(|| Ok(None));
        drop(trailers);
        let (request, _sent) = Request::new(Fields::new(), None, no_trailers, None);
        address(&request, &url)?;
        let response = client::send(request).await.map_err(http_code)?;
        let status = response.get_status_code();
        let (done, is_done) = wit_future::new(|| Ok(()));
        drop(done);
        let (body, _trailers) = Response::consume_body(response, is_done);
        Ok(format!("{status} {}", String::from_utf8_lossy(&body.collect().await)))
    }

    async fn post_and_die(url: String, pieces: u32) -> Result<(), String> {
        let (mut body, reader) = wit_stream::new();
        let (trailers, no_trailers) = wit_future::new(|| Ok(None));
        let (request, _sent) = Request::new(Fields::new(), Some(reader), no_trailers, None);
        request.set_method(&Method::Post).map_err(|()| "no method")?;
        address(&request, &url)?;
        wit_bindgen::spawn_local(async move {
            for _ in 0..pieces {
                body.write_all(vec![b'x'; 4096]).await;
            }
            drop(trailers);
            std::process::abort();
        });
        client::send(request).await.map(drop).map_err(http_code)
    }

    async fn exchange(address: String, text: String) -> Result<String, String> {
        let SocketAddr::V4(address) = address.parse().map_err(|_| "no address")? else {
            return Err("not IPv4".to_owned());
        };
        let [a, b, c, d] = address.ip().octets();
        let address = IpSocketAddress::Ipv4(Ipv4SocketAddress { port: address.port(), address: (a, b, c, d) });
        let socket = TcpSocket::create(IpAddressFamily::Ipv4).map_err(|error| format!("{error:?}"))?;
        socket.connect(address).await.map_err(|error| format!("{error:?}"))?;
        let (mut writer, reader) = wit_stream::new();
        let sent = socket.send(reader);
        writer.write_all(text.into_bytes()).await;
        drop(writer);
        sent.await.map_err(|error| format!("{error:?}"))?;
        let (received, _) = socket.receive();
        Ok(String::from_utf8_lossy(&received.collect().await).into_owned())
    }

    async fn look_up(name: String) -> Result<u32, String> {
        let addresses = ip_name_lookup::resolve_addresses(name).await.map_err(|error| format!("{error:?}"))?;
        Ok(u32::try_from(addresses.len()).expect("names have few addresses"))
    }
}

/// Says where a request goes: to the front page of a site.
fn address(request: &Request, url: &str) -> Result<(), String> {
    let (scheme, authority) = url.split_once("://").ok_or("no scheme")?;
    let scheme = if scheme == "https" { Scheme::Https } else { Scheme::Http };
    request.set_scheme(Some(&scheme)).map_err(|()| "no scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "no authority")?;
    request.set_path_with_query(Some("/")).map_err(|()| "no path")?;
    Ok(())
}

fn http_code(error: ErrorCode) -> String {
    format!("{error:?}")
}

export!(Probe);
