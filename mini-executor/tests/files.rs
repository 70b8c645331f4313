//! Files by the blocking pool.
#![cfg(feature = "std")]

mod watched;

use std::{io, io::SeekFrom, time::Duration};

use mini_executor::{Runtime, Shutdown, fs};
use watched::watched;

/// A directory of this test's own, removed at the end.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let own = format!("mini-executor-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(own);
        std::fs::create_dir_all(&path).expect("made");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_written_is_read() {
    watched(|| {
        let scratch = Scratch::new("written");
        let path = scratch.0.join("a");
        let runtime = Runtime::builder().workers(1).build().expect("builds");
        let spawner = runtime.spawner();
        runtime.block_on(async {
            fs::write(&spawner, &path, "hello").await.expect("written");
            let text = fs::read_to_string(&spawner, &path).await;
            assert_eq!(text.expect("read"), "hello");
            let other = scratch.0.join("b");
            assert_eq!(fs::copy(&spawner, &path, &other).await.expect("copied"), 5);
            fs::rename(&spawner, &other, scratch.0.join("c"))
                .await
                .expect("renamed");
            let mut names: Vec<_> = fs::read_dir(&spawner, &scratch.0)
                .await
                .expect("listed")
                .iter()
                .map(std::fs::DirEntry::file_name)
                .collect();
            names.sort();
            assert_eq!(names, ["a", "c"]);
            fs::remove_file(&spawner, &path).await.expect("removed");
            let gone = fs::metadata(&spawner, &path).await.expect_err("gone");
            assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        });
    });
}

#[test]
fn a_file_has_a_position() {
    watched(|| {
        let scratch = Scratch::new("position");
        let path = scratch.0.join("a");
        let runtime = Runtime::builder().workers(1).build().expect("builds");
        let spawner = runtime.spawner();
        runtime.block_on(async {
            let mut file = fs::File::create(&spawner, &path).await.expect("made");
            file.write_all("one two").await.expect("written");
            file.sync_all().await.expect("synced");
            drop(file);
            let mut file = fs::File::open(&spawner, &path).await.expect("opened");
            assert_eq!(file.read(3).await.expect("read"), b"one");
            assert_eq!(file.seek(SeekFrom::Start(4)).await.expect("moved"), 4);
            assert_eq!(file.read_to_end().await.expect("read"), b"two");
            assert!(file.read(8).await.expect("the end").is_empty());
            assert_eq!(file.metadata().await.expect("known").len(), 7);
            let absurd = file.read(usize::MAX).await.expect_err("too much");
            assert_eq!(absurd.kind(), io::ErrorKind::OutOfMemory);
        });
    });
}

#[test]
fn after_the_end_it_is_an_error() {
    watched(|| {
        let runtime = Runtime::builder().workers(1).build().expect("builds");
        let spawner = runtime.spawner();
        let _ = runtime.shutdown(Shutdown::Deadline(Duration::from_secs(5)));
        let other = Runtime::builder().workers(1).build().expect("builds");
        let refused = other.block_on(fs::read(&spawner, "/proc/self/comm"));
        assert!(refused.is_err());
    });
}
