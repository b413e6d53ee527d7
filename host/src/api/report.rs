//! What the control API says of apps: plain data, written by the server and read by its clients.
//!
//! Keys are in snake_case; within a minor version they are only added.

use serde::{Deserialize, Serialize};

use crate::service::{App, ArgumentReport, ClassReport, FunctionReport, InstanceCounts, PoolReport, UncallableReport};

/// Every app of a server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Apps {
    pub(crate) apps: Vec<AppSummary>,
}

/// An app in few words.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AppSummary {
    pub(crate) name: String,
    /// The manifest or component file; none if it came out of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    pub(crate) state: AppState,
    /// What it waits for, if it is starting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<String>,
    /// None while it is starting.
    pub(crate) classes: Vec<ClassSummary>,
}

/// Whether an app takes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AppState {
    /// It is built and loaded for the first time since the server began.
    Starting,
    Ready,
    Draining,
    /// One of a newer server.
    #[serde(other)]
    Unknown,
}

/// A class in few words.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ClassSummary {
    pub(crate) name: String,
    /// Methods that can be called.
    pub(crate) methods: usize,
    pub(crate) pools: u64,
    pub(crate) instances: InstanceCounts,
}

/// An app with all that a caller has to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AppReport {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
    pub(crate) state: AppState,
    pub(crate) classes: Vec<CallableClass>,
}

/// A class with all that a caller has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CallableClass {
    pub(crate) name: String,
    /// The interface it is; none for the functions at the component's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) interface: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) docs: Option<String>,
    pub(crate) parameters: Vec<ArgumentReport>,
    pub(crate) methods: Vec<FunctionReport>,
    /// Functions that cannot be called, with the reason.
    pub(crate) uncallable: Vec<UncallableReport>,
}

/// Pools of an app.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pools {
    pub(crate) pools: Vec<PoolReport>,
    /// How many there are, whether or not they are all listed.
    pub(crate) total: usize,
}

impl AppSummary {
    pub(super) fn of(app: &App, state: AppState) -> Self {
        let classes = app.classes().zip(app.class_gauges());
        Self {
            name: app.name().to_owned(),
            source: source(app),
            state,
            phase: None,
            classes: classes
                .map(|(class, gauges)| ClassSummary {
                    name: class.name().to_owned(),
                    methods: class.methods().len(),
                    pools: gauges.tuples,
                    instances: gauges.instances,
                })
                .collect(),
        }
    }

    /// An app that is not there yet.
    pub(super) fn starting(name: &str, phase: &str) -> Self {
        let (state, phase) = (AppState::Starting, Some(phase.to_owned()));
        Self { name: name.to_owned(), source: None, state, phase, classes: Vec::new() }
    }
}

impl AppReport {
    pub(super) fn of(app: &App, state: AppState) -> Self {
        Self {
            name: app.name().to_owned(),
            source: source(app),
            state,
            classes: app.classes().map(|class| CallableClass::of(ClassReport::of(class))).collect(),
        }
    }
}

impl CallableClass {
    pub(crate) fn of(report: ClassReport) -> Self {
        let ClassReport { name, interface, docs, parameters, methods, uncallable, .. } = report;
        Self { name, interface, docs, parameters, methods, uncallable }
    }
}

fn source(app: &App) -> Option<String> {
    app.source().map(|source| source.display().to_string())
}
