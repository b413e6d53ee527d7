//! Serves the promises about `allow-outbound`: HTTP, TCP and name lookup by WASI 0.2, in methods and hooks, with the error
//! codes that a guest sees.

use std::env;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Mutex;

use exports::test::outbound::probe::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
    Scheme, http_error_code,
};
use wasip2::io::streams::StreamError;
use wasip2::sockets::network::{self, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::{instance_network, ip_name_lookup, tcp_create_socket, udp_create_socket};

wit_bindgen::generate!({ path: "wit" });

static GOT: Mutex<Vec<String>> = Mutex::new(Vec::new());
static HELD: Mutex<Vec<Held>> = Mutex::new(Vec::new());

#[expect(dead_code, reason = "it is held and nothing else")]
enum Held {
    Connection(TcpStream),
    Answer(IncomingResponse),
}

struct Probe;

impl Guest for Probe {
    fn build() -> Result<(), String> {
        script("BUILD")
    }

    fn enter() -> Result<(), String> {
        script("ENTER")
    }

    fn got() -> Vec<String> {
        GOT.lock().expect("one thread").clone()
    }

    fn get(url: String) -> Result<String, String> {
        get(&url, None)
    }

    fn get_within(url: String, first_byte: u64, between_bytes: u64) -> Result<String, String> {
        let options = RequestOptions::new();
        let nanoseconds = |milliseconds: u64| Some(milliseconds * 1_000_000);
        options.set_first_byte_timeout(nanoseconds(first_byte)).expect("times are supported");
        options.set_between_bytes_timeout(nanoseconds(between_bytes)).expect("times are supported");
        get(&url, Some(options))
    }

    fn follow(url: String) -> Result<String, String> {
        let (scheme, authority, path) = parts(&url)?;
        let redirect = answer(&Method::Get, scheme, authority, path, None)?;
        let location = redirect.headers().get("location").pop().ok_or("no redirect")?;
        drop(redirect);
        get(&String::from_utf8_lossy(&location), None)
    }

    fn break_off(url: String) -> Result<(), String> {
        let (scheme, authority, path) = parts(&url)?;
        answer(&Method::Get, scheme, authority, path, None).map(drop)
    }

    fn crowd(url: String, answers: u32, wait: u64) -> Result<(String, String), String> {
        let (scheme, authority, path) = parts(&url)?;
        let more = || {
            let options = RequestOptions::new();
            options.set_connect_timeout(Some(wait * 1_000_000)).expect("times are supported");
            answer(&Method::Get, scheme, authority, path, Some(options))
        };
        let status =
            |answer: Result<IncomingResponse, String>| answer.map_or_else(|error| error, |it| it.status().to_string());
        let mut kept = (0..answers).map(|_| more()).collect::<Result<Vec<_>, _>>()?;
        let one_more = status(more());
        kept.pop();
        Ok((one_more, status(more())))
    }

    fn post(url: String, size: u32) -> Result<String, String> {
        let (scheme, authority, path) = parts(&url)?;
        let request = request(&Method::Post, scheme, authority, path)?;
        let body = request.body().expect("the first body");
        let answer = outgoing_handler::handle(request, None).map_err(http_code)?;
        let stream = body.write().expect("the first stream");
        let mut left = size as usize;
        while left > 0 {
            let piece = left.min(4096);
            stream.blocking_write_and_flush(&vec![b'x'; piece]).map_err(|error| format!("while writing: {error:?}"))?;
            left -= piece;
        }
        drop(stream);
        OutgoingBody::finish(body, None).map_err(http_code)?;
        read(waited_for(&answer)?)
    }

    fn post_and_die(url: String, pieces: u32) -> Result<(), String> {
        let (scheme, authority, path) = parts(&url)?;
        let request = request(&Method::Post, scheme, authority, path)?;
        let body = request.body().expect("the first body");
        let _answer = outgoing_handler::handle(request, None).map_err(http_code)?;
        let stream = body.write().expect("the first stream");
        for _ in 0..pieces {
            stream.blocking_write_and_flush(&[b'x'; 4096]).map_err(|error| format!("while writing: {error:?}"))?;
        }
        std::process::abort();
    }

    fn request(method: String, scheme: String, authority: String) -> Result<String, String> {
        let method = if method == "CONNECT" { Method::Connect } else { Method::Other(method) };
        read(answer(&method, &scheme, &authority, "/", None)?)
    }

    fn exchange(address: String, text: String) -> Result<String, String> {
        exchange(&address, &text)
    }

    fn look_up(name: String) -> Result<Vec<String>, String> {
        let addresses =
            ip_name_lookup::resolve_addresses(&instance_network::instance_network(), &name).map_err(code)?;
        let mut found = Vec::new();
        loop {
            match addresses.resolve_next_address() {
                Ok(Some(network::IpAddress::Ipv4((a, b, c, d)))) => found.push(format!("{a}.{b}.{c}.{d}")),
                Ok(Some(network::IpAddress::Ipv6(segments))) => found.push(format!("{segments:x?}")),
                Ok(None) => return Ok(found),
                Err(network::ErrorCode::WouldBlock) => addresses.subscribe().block(),
                Err(error) => return Err(code(error)),
            }
        }
    }

    fn connect(address: String) -> Result<(), String> {
        let (socket, address) = socket(&address)?;
        socket.start_connect(&instance_network::instance_network(), address).map_err(code)?;
        loop {
            match socket.finish_connect() {
                Ok(_) => return Ok(()),
                Err(network::ErrorCode::WouldBlock) => socket.subscribe().block(),
                Err(error) => return Err(code(error)),
            }
        }
    }

    fn listen(address: String) -> Result<(), String> {
        let (socket, address) = socket(&address)?;
        socket.start_bind(&instance_network::instance_network(), address).map_err(code)?;
        socket.finish_bind().map_err(code)?;
        socket.start_listen().map_err(code)?;
        socket.finish_listen().map_err(code)
    }

    fn datagrams() -> Result<(), String> {
        udp_create_socket::create_udp_socket(IpAddressFamily::Ipv4).map(drop).map_err(code)
    }
}

/// Does what a variable says.
fn script(variable: &str) -> Result<(), String> {
    let Ok(script) = env::var(variable) else { return Ok(()) };
    let (what, to) = script.split_once(' ').ok_or("a script is a word and a place")?;
    let got = match what {
        "get" => get(to, None)?,
        "exchange" => exchange(to, "by a hook")?,
        "hold" => {
            let connection = TcpStream::connect(to).map_err(|error| error.to_string())?;
            HELD.lock().expect("one thread").push(Held::Connection(connection));
            String::new()
        }
        "hold-answer" => {
            let (scheme, rest) = to.split_once("://").ok_or("no scheme")?;
            let answer = answer(&Method::Get, scheme, rest.trim_end_matches('/'), "/", None)?;
            HELD.lock().expect("one thread").push(Held::Answer(answer));
            String::new()
        }
        _ => return Err(format!("`{what}` is no script")),
    };
    GOT.lock().expect("one thread").push(got);
    Ok(())
}

fn get(url: &str, options: Option<RequestOptions>) -> Result<String, String> {
    let (scheme, authority, path) = parts(url)?;
    read(answer(&Method::Get, scheme, authority, path, options)?)
}

/// The scheme, the authority and the path of a URL.
fn parts(url: &str) -> Result<(&str, &str, &str), String> {
    let (scheme, rest) = url.split_once("://").ok_or("no scheme")?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Ok((scheme, authority, path))
}

fn answer(
    method: &Method,
    scheme: &str,
    authority: &str,
    path: &str,
    options: Option<RequestOptions>,
) -> Result<IncomingResponse, String> {
    let request = request(method, scheme, authority, path)?;
    waited_for(&outgoing_handler::handle(request, options).map_err(http_code)?)
}

fn waited_for(answer: &FutureIncomingResponse) -> Result<IncomingResponse, String> {
    answer.subscribe().block();
    answer.get().expect("it is there").expect("it is asked for once").map_err(http_code)
}

fn request(method: &Method, scheme: &str, authority: &str, path: &str) -> Result<OutgoingRequest, String> {
    let request = OutgoingRequest::new(Fields::new());
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    request.set_method(method).map_err(|()| "no method")?;
    request.set_scheme(Some(&scheme)).map_err(|()| "no scheme")?;
    request.set_authority(Some(authority)).map_err(|()| "no authority")?;
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).map_err(|()| "no path")?;
    Ok(request)
}

fn read(answer: IncomingResponse) -> Result<String, String> {
    let status = answer.status();
    let body = answer.consume().expect("the first body");
    let stream = body.stream().expect("the first stream");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => return Ok(format!("{status} {}", String::from_utf8_lossy(&bytes))),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(http_error_code(&error).map_or_else(|| error.to_debug_string(), http_code));
            }
        }
    }
}

fn exchange(address: &str, text: &str) -> Result<String, String> {
    let exchange = || {
        let mut connection = TcpStream::connect(address)?;
        connection.write_all(text.as_bytes())?;
        connection.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    };
    exchange().map_err(|error: std::io::Error| format!("{:?}: {error}", error.kind()))
}

fn socket(address: &str) -> Result<(TcpSocket, IpSocketAddress), String> {
    let (family, address) = match address.parse().map_err(|_| "no address")? {
        SocketAddr::V4(v4) => {
            let [a, b, c, d] = v4.ip().octets();
            let address = Ipv4SocketAddress { port: v4.port(), address: (a, b, c, d) };
            (IpAddressFamily::Ipv4, IpSocketAddress::Ipv4(address))
        }
        SocketAddr::V6(v6) => {
            let [a, b, c, d, e, f, g, h] = v6.ip().segments();
            let address =
                Ipv6SocketAddress { port: v6.port(), flow_info: 0, address: (a, b, c, d, e, f, g, h), scope_id: 0 };
            (IpAddressFamily::Ipv6, IpSocketAddress::Ipv6(address))
        }
    };
    Ok((tcp_create_socket::create_tcp_socket(family).map_err(code)?, address))
}

fn code(error: network::ErrorCode) -> String {
    error.name().to_owned()
}

fn http_code(error: ErrorCode) -> String {
    format!("{error:?}")
}

export!(Probe);
