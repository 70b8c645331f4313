//! Spans as tokio-console's subscriber reads them: one a task, entered at each poll, and an event
//! a wake.
//!
//! A program of its own, since a subscriber is the process's.

mod watched;

use std::{
    collections::HashMap,
    fmt::{self, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use mini_executor::{Runtime, yield_now};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use watched::watched;

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?};");
    }
}

#[derive(Default)]
struct Seen {
    spans: HashMap<u64, String>,
    entered: HashMap<u64, usize>,
    closed: usize,
    wakes: Vec<String>,
}

struct Collects {
    next: AtomicU64,
    seen: Arc<Mutex<Seen>>,
}

impl Subscriber for Collects {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tokio::task")
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.next.fetch_add(1, SeqCst);
        let mut text = Text(format!(
            "{} {} ",
            span.metadata().target(),
            span.metadata().name()
        ));
        span.record(&mut text);
        self.seen.lock().unwrap().spans.insert(id, text.0);
        Id::from_u64(id)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = Text(format!("{} ", event.metadata().target()));
        event.record(&mut text);
        self.seen.lock().unwrap().wakes.push(text.0);
    }
    fn enter(&self, span: &Id) {
        *self
            .seen
            .lock()
            .unwrap()
            .entered
            .entry(span.into_u64())
            .or_default() += 1;
    }
    fn exit(&self, _: &Id) {}
    fn try_close(&self, _: Id) -> bool {
        self.seen.lock().unwrap().closed += 1;
        true
    }
}

#[test]
fn a_task_is_a_span_and_a_wake_an_event() {
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let collects = Collects {
        next: AtomicU64::new(1),
        seen: seen.clone(),
    };
    tracing::subscriber::set_global_default(collects).expect("the only one");
    watched(move || {
        let runtime = Runtime::builder().workers(1).build().expect("builds");
        let line = line!() + 1;
        let task = runtime.spawn_named("traced", async {
            yield_now().await;
            yield_now().await;
        });
        task.join().expect("ends");
        drop(runtime);
        let seen = seen.lock().unwrap();
        let (id, span) = seen.spans.iter().next().expect("one span");
        assert_eq!(seen.spans.len(), 1);
        assert!(span.starts_with("tokio::task runtime.spawn "), "{span}");
        for part in [
            "kind=\"task\";",
            "task.name=\"traced\";",
            "task.id=1;",
            "size.bytes=",
            "loc.file=",
            &format!("loc.line={line};"),
            "loc.col=",
        ] {
            assert!(span.contains(part), "{part} in {span}");
        }
        assert_eq!(seen.entered[id], 3, "once a poll");
        assert_eq!(
            seen.wakes,
            vec![format!("tokio::task::waker op=\"waker.wake_by_ref\";task.id={id};"); 2]
        );
        assert_eq!(seen.closed, 1);
    });
}
