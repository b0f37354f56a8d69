//! `restante bench`: the load generator, told what to do and asked what it saw.

use std::time::Duration;

use bench::{BenchError, Load, Process, Target, Transport};

use crate::args;
use crate::failure::{Code, Failure};
use crate::output::{note, say};
use crate::user::password;

/// Runs one workload and prints its report.
///
/// # Errors
///
/// When the server cannot be reached or gives a wrong answer, or the command line asks for what
/// cannot be.
pub(crate) fn bench(arguments: args::Bench) -> Result<(), Failure> {
    let password = password::given(&arguments.password)?.ok_or_else(|| {
        Failure::new(Code::Usage, "the password of the accounts is missing")
            .remedy("name a file with --password-file, or write it to standard input with --stdin")
    })?;
    if arguments.connections == 0 || arguments.seconds == 0 {
        return Err(Failure::new(Code::Usage, "nothing would be measured")
            .remedy("--connections and --seconds are at least 1"));
    }
    let transport = match &arguments.tls {
        Some(roots) => Transport::tls(roots, &arguments.tls_name)?,
        None => Transport::Plain,
    };
    let target = Target {
        address: Target::resolve(&arguments.server)?,
        transport,
        users: arguments.users,
        password,
    };
    let workload = match arguments.workload {
        args::Workload::Poll => bench::Workload::Poll,
        args::Workload::Retrieve => bench::Workload::Retrieve {
            window: arguments.window,
        },
        args::Workload::Idle => bench::Workload::Idle,
        args::Workload::List => bench::Workload::List,
    };
    let load = Load {
        connections: arguments.connections,
        duration: Duration::from_secs(arguments.seconds),
        server: arguments.pid.map(Process),
    };
    if !arguments.json {
        note!(
            "measuring for {} s against {} …",
            arguments.seconds,
            target.address
        );
    }
    let report = bench::run(&target, workload, &load)?;
    match arguments.json {
        true => say!("{}", serde_json::json!(report)),
        false => say!("{report}"),
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        let what = error.to_string();
        match error {
            BenchError::Address(_) | BenchError::ServerName(_) | BenchError::NotALine(_) => {
                Self::new(Code::Usage, what)
            }
            BenchError::Roots { .. } => Self::new(Code::NoInput, what)
                .remedy("name a PEM file with the certificate to trust"),
            BenchError::Connection(_) => Self::new(Code::Unavailable, what)
                .remedy("is the server running, and on this address?"),
            BenchError::Refused { .. } | BenchError::Broken(_) | BenchError::Wrong(_) => {
                Self::new(Code::Data, what).remedy("a server that answers wrongly is not measured")
            }
            BenchError::Empty(_) => {
                Self::new(Code::Data, what).remedy("deliver some mail to it first")
            }
            BenchError::NoProcess(_) => Self::new(Code::NoInput, what)
                .remedy("give the id of a running server, as root or its user"),
        }
    }
}
