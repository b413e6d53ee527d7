//! The limits that matter to whoever calls: of a server, and of one command.

use clap::Args;

use crate::service::HostBuilder;

/// Limits of instances and of calls that calls make.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Limits")]
pub(in crate::cli) struct Calls {
    /// How many instances may be alive at once [default: 1000; of `run`: 128]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) max_instances: Option<u32>,

    /// How many calls may stand one below another, each made by the one above [default: 16]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) max_call_depth: Option<u32>,

    /// How many calls that one call made may be under way at a time [default: 100]
    #[arg(long, value_name = "COUNT", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub(in crate::cli) max_nested_calls: Option<usize>,

    /// How many requests to other hosts one instance may have under way; more wait [default: 64]
    #[arg(long, value_name = "COUNT", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub(in crate::cli) max_outbound_connections: Option<usize>,
}

impl Calls {
    /// Sets what was given; the rest keeps its default.
    pub(in crate::cli) fn apply(&self, mut builder: HostBuilder) -> HostBuilder {
        if let Some(instances) = self.max_instances {
            builder = builder.max_instances(instances);
        }
        if let Some(calls) = self.max_call_depth {
            builder = builder.max_call_depth(calls);
        }
        if let Some(calls) = self.max_nested_calls {
            builder = builder.max_nested_calls(calls);
        }
        if let Some(connections) = self.max_outbound_connections {
            builder = builder.max_outbound_connections(connections);
        }
        builder
    }
}
