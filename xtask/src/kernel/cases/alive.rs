//! Boots that end well: everything in them is expected to work.

use super::super::bench::Case;
use super::super::expect::ANY;
use super::{ENDED, dies, usual};

pub(super) const CASES: &[Case] = &[
    usual(
        "hello",
        "init=/hello one \"two words\" three",
        &[
            "hello from ring 3: 4 arguments",
            "  0: /hello",
            "  1: one",
            "  2: two words",
            "  3: three",
            ENDED,
        ],
    ),
    usual(
        "usertests runtime",
        "init=/usertests runtime",
        &[
            "runtime/memory functions of every short length: ok",
            "runtime/heap from four threads: ok",
        ],
    ),
    usual(
        "usertests pointers",
        "init=/usertests pointers",
        &[
            "pointers/write from a bad buffer: ok",
            "pointers/read into a bad buffer: ok",
            "pointers/open with a bad path: ok",
            "pointers/join with a bad result pointer: ok",
            "pointers/create with a bad name: ok",
            "pointers/create with a bad stack: ok",
            "pointers/create with a bad entry: ok",
            "pointers/futex at a bad address: ok",
            "pointers/statistics to a bad address: ok",
        ],
    ),
    usual(
        "usertests numbers",
        "init=/usertests numbers",
        &[
            "numbers/unknown numbers: ok",
            "numbers/known numbers with nonsense: ok",
        ],
    ),
    usual(
        "usertests joins",
        "init=/usertests joins",
        &[
            "joins/statuses arrive whole: ok",
            "joins/an unknown thread: ok",
            "joins/the caller itself: ok",
            "joins/a thread joined already: ok",
            "joins/one of two waiting joiners wins: ok",
            "joins/a chain of joins: ok",
            "joins/numbers never confuse two threads: ok",
            "joins/join against exit: ok",
            "joins/a detached thread cannot be joined: ok",
            "joins/the thread table fills and empties: ok",
        ],
    ),
    usual(
        "usertests futexes",
        "init=/usertests futexes",
        &[
            "futexes/another value is not waited on: ok",
            "futexes/a wait times out, not early: ok",
            "futexes/wake counts who it wakes: ok",
            "futexes/wake wakes no more than asked: ok",
            "futexes/words are told apart: ok",
            "futexes/timed waits end in their order: ok",
            "futexes/no wake-up is lost: ok",
            "futexes/a wake races a time-out: ok",
            "futexes/a lock lets one in at a time: ok",
            "futexes/a token keeps one notification: ok",
        ],
    ),
    usual(
        "usertests schedule",
        "init=/usertests schedule",
        &[
            "schedule/a spinning thread is preempted: ok",
            "schedule/spinning threads share the processors: ok",
            "schedule/a yield lets others run: ok",
            "schedule/the clock never runs backwards: ok",
            "schedule/there is a processor: ok",
        ],
    ),
    usual(
        "usertests processor",
        "init=/usertests processor",
        &[
            "processor/a call keeps the registers it must: ok",
            "processor/preemption keeps general and vector registers: ok",
            "processor/each thread has its own FS base: ok",
            "processor/each thread has its own rounding mode: ok",
        ],
    ),
    usual(
        "usertests mappings",
        "init=/usertests mappings",
        &[
            "mappings/fresh memory is zero: ok",
            "mappings/bad requests are refused: ok",
            "mappings/writable and executable exclude each other: ok",
            "mappings/unmapped memory comes back: ok",
            "mappings/untouched memory costs nothing: ok",
            "mappings/four threads map and unmap: ok",
        ],
    ),
    usual(
        "usertests statistics",
        "init=/usertests statistics",
        &[
            "statistics/calls are counted: ok",
            "statistics/waiting is a voluntary switch: ok",
            "statistics/losing the processor is an involuntary switch: ok",
            "statistics/time passes where it is spent: ok",
            "statistics/another thread can be asked about: ok",
            "statistics/the process is the sum of its threads: ok",
        ],
    ),
    usual(
        "usertests processes",
        "init=/usertests processes",
        &[
            "processes/a child runs and is waited for: ok",
            "processes/statuses arrive whole: ok",
            "processes/a fault is told from an exit: ok",
            "processes/memory is the child's own after a write: ok",
            "processes/a child keeps every register: ok",
            "processes/only the calling thread is in the child: ok",
            "processes/waiting for what is not there: ok",
            "processes/a wait that does not hang: ok",
            "processes/bad pointers for news: ok",
            "processes/orphans come to the first process: ok",
            "processes/a tree of processes: ok",
            "processes/users and groups: ok",
            "processes/too many processes end in EAGAIN and all returns: ok",
            "processes/threads write to shared pages while others fork: ok",
            "processes/memory runs out and the process lives: ok",
        ],
    ),
    usual(
        "usertests files",
        "init=/usertests files",
        &[
            "files/a file is read whole: ok",
            "files/positions move and are told: ok",
            "files/missing files and bad descriptors: ok",
            "files/descriptors run out and come back: ok",
            "files/threads share descriptors: ok",
        ],
    ),
    usual(
        "usertests ground",
        "init=/usertests ground",
        &[
            "ground/threads run once and are joined: ok",
            "ground/bad stack sizes and names come back: ok",
            "ground/a stack is as large as asked: ok",
            "ground/stacks are used again: ok",
            "ground/detached threads are reaped: ok",
            "ground/a thread cannot join itself: ok",
            "ground/an unpark before the park is kept: ok",
            "ground/parks end in time: ok",
            "ground/a waker outlives its thread: ok",
            "ground/park and unpark lose nothing: ok",
            "ground/each thread has its own local pointer: ok",
            "ground/refused jobs come back when threads run out: ok",
        ],
    ),
    usual(
        "conformance one-to-one",
        "init=/conformance one-to-one",
        &[ANY, "conformance one-to-one: * passed, * skipped", ENDED],
    ),
    usual(
        "lab",
        "init=/lab one-to-one spawn-join 50 1",
        &[
            "lab model=one-to-one workload=spawn-join param=50 ns=* voluntary=* involuntary=* checksum=*",
            ENDED,
        ],
    ),
    dies(
        "lab without a model",
        "init=/lab green fib 5 1",
        &[
            "lab: no model 'green' in the kernel",
            "kernel: init exited with status 2",
        ],
    ),
    usual(
        "conformance mini-executor",
        "init=/conformance mini-executor",
        &[ANY, "conformance mini-executor: * passed, * skipped", ENDED],
    ),
    usual(
        "lab mini-executor",
        "init=/lab mini-executor fib 10 2",
        &[
            "lab model=mini-executor workload=fib param=10 ns=* voluntary=* involuntary=* checksum=55",
            ENDED,
        ],
    ),
];
