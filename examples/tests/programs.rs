//! The chat, the crawler, and ten thousand echoes.

mod program;

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::Command,
};

use program::{Server, watched};

/// Somebody in the chat.
struct Guest {
    lines: BufReader<TcpStream>,
}

impl Guest {
    fn new(server: &Server, name: &str) -> Self {
        let stream = TcpStream::connect(server.address).expect("connects");
        let mut this = Self {
            lines: BufReader::new(stream),
        };
        assert_eq!(this.hear(), "your name?");
        this.say(name);
        assert_eq!(this.hear(), "welcome");
        this
    }
    fn say(&mut self, line: &str) {
        writeln!(self.lines.get_mut(), "{line}").expect("sent");
    }
    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("heard");
        line.trim_end().to_owned()
    }
}

#[test]
fn a_chat() {
    watched(|| {
        let server = Server::start(env!("CARGO_BIN_EXE_chat_server"));
        let mut ada = Guest::new(&server, "ada");
        let mut bob = Guest::new(&server, "bob");
        assert_eq!(ada.hear(), "* bob came");
        ada.say("hi");
        assert_eq!(bob.hear(), "ada: hi");
        let mut eve = Guest::new(&server, "eve");
        assert_eq!(ada.hear(), "* eve came");
        assert_eq!(bob.hear(), "* eve came");
        for n in 0..30 {
            eve.say(&n.to_string());
        }
        for n in 0..30 {
            assert_eq!(ada.hear(), format!("eve: {n}"));
            assert_eq!(bob.hear(), format!("eve: {n}"));
        }
        drop(bob);
        assert_eq!(ada.hear(), "* bob left");
        // A line without end is refused, and the others go on.
        let _ = eve.lines.get_mut().write_all(&[b'x'; 20_000]);
        assert_eq!(ada.hear(), "* eve left");
        server.stop();
    });
}

#[test]
fn a_chat_throws_out_who_does_not_read() {
    watched(|| {
        let server = Server::start(env!("CARGO_BIN_EXE_chat_server"));
        let mut ada = Guest::new(&server, "ada");
        let mut bob = Guest::new(&server, "bob");
        assert_eq!(ada.hear(), "* bob came");
        let lazy = Guest::new(&server, "lazy");
        assert_eq!(ada.hear(), "* lazy came");
        assert_eq!(bob.hear(), "* lazy came");
        // A few lines at a time, fewer than may wait, so that it is not bob who is late. What
        // lazy's connection holds is the system's to say: some megabytes.
        const AT_ONCE: usize = 32;
        let line = "x".repeat(4_000);
        let mut rounds = 0;
        let mut gone = false;
        while !gone {
            ada.say(&vec![&line[..]; AT_ONCE].join("\n"));
            let mut heard = 0;
            while heard < AT_ONCE {
                match bob.hear() {
                    said if said == "* lazy left" => gone = true,
                    said => {
                        assert_eq!(said.len(), "ada: ".len() + line.len(), "{rounds}");
                        heard += 1;
                    }
                }
            }
            rounds += 1;
            assert!(gone || rounds < 2_000, "nobody was thrown out");
        }
        assert_eq!(ada.hear(), "* lazy left");
        drop(lazy);
        server.stop();
    });
}

#[test]
fn a_crawl() {
    watched(|| {
        let output = Command::new(env!("CARGO_BIN_EXE_crawler"))
            .arg("300")
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        let numbers: Vec<usize> = said
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let [pages, missing, late, failed, at_once] = numbers[..] else {
            panic!("five numbers: {said}");
        };
        // Of 300 pages those of 151..300 that 5 divides are missing, and the last never answers.
        assert_eq!((pages, missing, late, failed), (270, 29, 1, 0), "{said}");
        assert!((2..=16).contains(&at_once), "{said}");
    });
}

#[test]
fn ten_thousand_echoes() {
    watched(|| {
        let output = Command::new(env!("CARGO_BIN_EXE_echo_10k"))
            .args(["10000", "3"])
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{errors}");
        assert_eq!(errors, "", "{said}");
        println!("{said}");
        let last = said.lines().last().expect("a line");
        let words: Vec<_> = last.split_whitespace().collect();
        let ["limit", limit, "connections", connections, "echoes", echoes] = words[..] else {
            panic!("{said}");
        };
        let [limit, connections, echoes] =
            [limit, connections, echoes].map(|n| n.parse::<u64>().expect("a number"));
        assert_eq!(echoes, 3 * connections);
        assert!(connections == 10_000 || connections + 64 == limit, "{said}");
    });
}
