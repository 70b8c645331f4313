//! The echo server: 64 bytes there and back, over 100, 1,000 and 10,000 connections.

use super::super::subjects::{Ours, TokioCt, TokioMt};
use super::super::{OURS, TOKIO, TOKIO_CT, subject};
use super::echo_servers::Echo;
use super::{CPU, NO_SERVER, P99, RATE, measure, raw};
use crate::bars::{Bar, Bench, Figure, Judged, Measure, Subject};
use crate::sockets::Exchange;

/// The loop that no runtime is around.
const RAW: &str = "raw-epoll";

fn echo<R: Echo, const CONNECTIONS: usize>(cpus: usize, requests: u64) -> anyhow::Result<Figure> {
    measure(Exchange::Echo, CONNECTIONS, requests, move |listener| {
        let runtime = R::start(cpus)?;
        Ok(runtime.block_on(runtime.echo(listener))?)
    })
}

fn raw<const CONNECTIONS: usize>(_: usize, requests: u64) -> anyhow::Result<Figure> {
    measure(Exchange::Echo, CONNECTIONS, requests, |listener| {
        Ok(raw::echo(listener)?)
    })
}

/// Requests of a sample.
const REQUESTS: u64 = 200_000;

const fn named(name: &'static str, measure: Measure) -> Subject {
    subject(name, REQUESTS, measure)
}

/// Everybody who can serve so many connections.
macro_rules! servers {
    ($connections:literal) => {
        &[
            named(OURS, echo::<Ours, $connections>),
            named(TOKIO, echo::<TokioMt, $connections>),
            named(TOKIO_CT, echo::<TokioCt, $connections>),
            named(RAW, raw::<$connections>),
            #[cfg(feature = "async-peers")]
            named(
                "async-executor2",
                echo::<super::super::peers::Smol, $connections>,
            ),
            #[cfg(feature = "monoio")]
            named("monoio", echo::<super::super::uring::Monoio, $connections>),
        ]
    };
}

const HUNDRED: &[Subject] = servers!(100);
const THOUSAND: &[Subject] = servers!(1_000);
const TEN_THOUSAND: &[Subject] = servers!(10_000);

/// As many answers as tokio's at least.
const FAST: &[&[Bar]] = &[&[Bar::ratio(OURS, TOKIO, 1.0).or_more()]];
/// At no more CPU time.
const CHEAP: &[&[Bar]] = &[&[Bar::ratio(OURS, TOKIO, 1.0)]];

const fn rate(name: &'static str, subjects: &'static [Subject]) -> Bench {
    Bench {
        name,
        subjects,
        without: NO_SERVER,
        metrics: &[(RATE, Judged::Rate)],
        judged: Judged::Rate,
        bars: FAST,
    }
}

const fn p99(name: &'static str, subjects: &'static [Subject], bars: &'static [&[Bar]]) -> Bench {
    Bench {
        name,
        subjects,
        without: NO_SERVER,
        metrics: &[(P99, Judged::Tail)],
        judged: Judged::Tail,
        bars,
    }
}

const fn cpu(name: &'static str, subjects: &'static [Subject]) -> Bench {
    Bench {
        name,
        subjects,
        without: NO_SERVER,
        metrics: &[(CPU, Judged::Cpu)],
        judged: Judged::Cpu,
        bars: CHEAP,
    }
}

/// 100 connections: answers a second.
pub(in super::super) const RATE_100: Bench = rate("echo100_rps", HUNDRED);
/// 100 connections: the slowest answers.
pub(in super::super) const P99_100: Bench = p99("echo100_p99", HUNDRED, &[]);
/// 100 connections: what an answer costs.
pub(in super::super) const CPU_100: Bench = cpu("echo100_cpu", HUNDRED);
/// 1,000 connections: answers a second.
pub(in super::super) const RATE_1000: Bench = rate("echo1000_rps", THOUSAND);
/// 1,000 connections: the slowest answers.
pub(in super::super) const P99_1000: Bench =
    p99("echo1000_p99", THOUSAND, &[&[Bar::ratio(OURS, TOKIO, 0.3)]]);
/// 1,000 connections: what an answer costs.
pub(in super::super) const CPU_1000: Bench = cpu("echo1000_cpu", THOUSAND);
/// 10,000 connections: answers a second, each of which is right.
pub(in super::super) const RATE_10000: Bench = rate("echo10000_rps", TEN_THOUSAND);
