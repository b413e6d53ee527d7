//! What `serve` prints once everything is served: classes, their routes, and the URLs that lead to them.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::json;

use crate::service::{App, Class};
use crate::web::WebService;

/// All that is served.
pub(super) struct Served<'a> {
    pub(super) address: SocketAddr,
    pub(super) domains: &'a [String],
    pub(super) front: &'a WebService,
    pub(super) apps: &'a [App],
    /// Whether there is one source, which answers at the address itself.
    pub(super) is_only: bool,
}

/// A method with a route.
struct Route {
    method: String,
    verb: String,
    path: String,
}

impl Served<'_> {
    /// For people.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        for app in self.apps {
            let _ = writeln!(text, "\n{}", app.name());
            if app.classes().len() == 0 {
                let _ = writeln!(text, "  has neither methods nor a web handler, so nothing of it can be asked");
            }
            for class in app.classes() {
                self.add_class(&mut text, app, class);
            }
        }
        text
    }

    /// For programs: one line.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let class = |app: &App, class: &Class| {
            let bases = self.bases(app, class);
            let routes: Vec<_> = routes(class)
                .map(|Route { method, verb, path }| {
                    let urls: Vec<_> = bases.iter().map(|base| format!("{base}{path}")).collect();
                    json!({ "method": method, "verb": verb, "path": path, "urls": urls })
                })
                .collect();
            let methods: Vec<_> = class.methods().map(|method| method.name()).collect();
            let mut report = json!({ "name": class.name(), "methods": methods, "routes": routes });
            if class.has_handler() {
                report["handler"] = bases.iter().map(|base| format!("{base}/")).collect();
            }
            report
        };
        let app = |app: &App| {
            let classes: Vec<_> = app.classes().map(|of_app| class(app, of_app)).collect();
            json!({ "name": app.name(), "classes": classes })
        };
        let apps: Vec<_> = self.apps.iter().map(app).collect();
        json!({ "address": self.address.to_string(), "apps": apps })
    }

    fn add_class(&self, text: &mut String, app: &App, class: &Class) {
        let mut routes = routes(class).peekable();
        if routes.peek().is_none() && !(class.has_handler() && class.methods().len() == 0) {
            let methods: Vec<_> = class.methods().map(|method| method.name()).collect();
            let _ = match methods[..] {
                [] => writeln!(text, "  {} has no methods", class.name()),
                [only] => writeln!(text, "  wasmhost call {}/{}.{only}", app.name(), class.name()),
                _ => {
                    writeln!(
                        text,
                        "  wasmhost call {}/{}.METHOD, one of {}",
                        app.name(),
                        class.name(),
                        methods.join(", ")
                    )
                }
            };
        }
        let bases = self.bases(app, class);
        for Route { method, verb, path } in routes {
            let _ = writeln!(text, "  {}.{method}", class.name());
            for base in &bases {
                let _ = writeln!(text, "    {verb} {base}{path}");
            }
        }
        if class.has_handler() {
            let _ = writeln!(text, "  {} answers all requests to", class.name());
            for base in &bases {
                let _ = writeln!(text, "    {base}/");
            }
        }
    }

    /// The beginnings of the URLs of a class: by host where its name can be part of one, by path, and at the root.
    fn bases(&self, app: &App, class: &Class) -> Vec<String> {
        let is_own = self.front.own_class(app.name()).is_some_and(|own| own == class.name());
        let (app, class) = (app.name(), class.name());
        let domain = self.domains.first().map_or("localhost", String::as_str);
        let port = self.address.port();
        let mut bases = Vec::new();
        if is_own {
            bases.push(format!("http://{app}.{domain}:{port}"));
        } else if !class.contains([':', '/']) {
            bases.push(format!("http://{app}--{class}.{domain}:{port}"));
        }
        let reachable = self.reachable();
        bases.push(format!("http://{reachable}/{app}/{}", class.replace('/', "%2F")));
        if is_own && self.is_only {
            bases.push(format!("http://{reachable}"));
        }
        bases
    }

    /// The address as a client on this machine writes it: the one that means all of them is none to connect to.
    fn reachable(&self) -> SocketAddr {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        address
    }
}

fn routes(class: &Class) -> impl Iterator<Item = Route> {
    class.methods().filter_map(|method| {
        let web = method.web()?;
        let (verb, path) = web.split_once(' ')?;
        Some(Route { method: method.name().to_owned(), verb: verb.to_owned(), path: path.to_owned() })
    })
}
