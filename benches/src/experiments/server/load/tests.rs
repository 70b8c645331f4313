use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::thread;

use super::*;
use crate::watchdog;

/// A server that lets `answer` write on each connection, a thread each, until it says false.
fn server(answer: fn(&mut TcpStream, &[u8]) -> bool) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            thread::spawn(move || {
                let mut bytes = [0; 1024];
                while let Ok(read @ 1..) = stream.read(&mut bytes)
                    && answer(&mut stream, &bytes[..read])
                {}
            });
        }
    });
    port
}

fn echo(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).is_ok()
}

fn load<T: Send + 'static>(
    answer: fn(&mut TcpStream, &[u8]) -> bool,
    work: impl FnOnce(&LoadArgs) -> T + Send + 'static,
) -> T {
    let (tell, told) = channel();
    watchdog::run(move || {
        let args = LoadArgs {
            port: server(answer),
            connections: 3,
            rate: 2_000,
            exchange: Exchange::Echo,
        };
        let _ = tell.send(work(&args));
    });
    told.recv().expect("it has ended")
}

#[test]
fn each_request_of_the_timetable_is_answered() {
    let heard = load(echo, |args| {
        let mut crowd = args.connect(args.connections).expect("connected");
        let table = Timetable::new(args.rate, Duration::from_millis(50));
        (crowd.open(&table)).expect("right answers")
    });
    assert_eq!(heard.answered, 100);
    assert!(heard.time >= Duration::from_micros(49_500), "{heard:?}");
    assert!(Duration::ZERO < heard.p50 && heard.p50 <= heard.p99 && heard.p99 <= heard.p99_9);
    assert_eq!(Heard::from_line(&heard.to_line()), Some(heard));
    assert_eq!(Heard::from_line("1 2 3"), None);
}

/// The claim of the whole load: a server that stands still once is late for many requests, not
/// for one.
#[test]
fn a_pause_counts_for_each_request_that_was_due_meanwhile() {
    const PAUSE: Duration = Duration::from_millis(100);
    let heard = load(
        |stream, bytes| {
            // The first request of the timetable on this connection, which is the fourth of all.
            if bytes == 3_u64.to_le_bytes().repeat(8) {
                thread::sleep(PAUSE);
            }
            echo(stream, bytes)
        },
        |args| {
            let mut crowd = args.connect(1).expect("connected");
            crowd.open(&Timetable::new(args.rate, PAUSE * 2))
        },
    )
    .expect("right answers");
    // Of 400 requests those of half the time were late, by half the pause in the middle.
    assert_eq!(heard.answered, 400);
    assert!(heard.p99 >= PAUSE * 9 / 10, "{heard:?}");
    assert!(heard.p99 <= heard.time, "{heard:?}");
}

#[test]
fn without_a_timetable_each_answer_is_the_next_request() {
    let heard = load(echo, |args| {
        let mut crowd = args.connect(args.connections).expect("connected");
        crowd.closed(Duration::from_millis(20))
    })
    .expect("right answers");
    assert!(heard.answered > 3, "{heard:?}");
    assert!(heard.time >= Duration::from_millis(20), "{heard:?}");
}

#[test]
fn who_is_turned_away_is_left_out() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let left = load(
        |stream, bytes| ASKED.fetch_add(1, Ordering::Relaxed) > 0 && echo(stream, bytes),
        |args| {
            let mut crowd = args.connect(args.connections).expect("connected");
            let heard = crowd.open(&Timetable::new(args.rate, Duration::from_millis(10)));
            (crowd.lines.len(), heard.expect("right answers").answered)
        },
    );
    assert_eq!(left, (2, 20));
}

#[test]
fn wrong_answers_are_errors() {
    let wrong = load(
        |stream, bytes| stream.write_all(&vec![b'x'; bytes.len()]).is_ok(),
        |args| args.connect(1).err(),
    );
    assert!(wrong.is_some());
    let none = load(|_, _| false, |args| args.connect(2).err());
    let text = format!("{:#}", none.expect("nobody is left"));
    assert!(text.contains("turned everybody away"), "{text}");
}
