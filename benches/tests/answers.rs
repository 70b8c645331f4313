//! Every program gives the serial reference's answer under every model.

mod watchdog;

use record::Model;
use workloads::Workload;

const TEXT: &[u8] = b"to be or not to be, that is the question\nto die: to sleep;\xff\xfe no more";

/// Small enough for one thread a job, large enough that jobs meet.
fn small(workload: Workload) -> u64 {
    match workload {
        Workload::SpawnJoin => 600,
        Workload::Fib => 10,
        Workload::PingPong => 101,
        Workload::Wordcount => 5,
        Workload::Mixed => 10,
    }
}

fn check(model: Model, cpus: usize) {
    watchdog::run(move || {
        let handle = benches::model::build(model, cpus).expect("threads can be had");
        for workload in Workload::ALL {
            for param in [0, 1, small(*workload)] {
                let answer = workload
                    .run(&handle, param, TEXT)
                    .expect("nothing is refused");
                let expected = workload.serial(param, TEXT);
                assert_eq!(
                    answer, expected,
                    "{workload}/{param} under {model} on {cpus}"
                );
            }
        }
    });
}

macro_rules! answers {
    ($($name:ident: $model:expr;)*) => {$(
        #[test]
        fn $name() {
            for cpus in [1, 2, 4] {
                check($model, cpus);
            }
        }
    )*};
}

answers! {
    one_to_one: Model::OneToOne;
    mini_executor: Model::MiniExecutor;
    pool_basic: Model::PoolBasic;
    pool_basic_crossbeam: Model::PoolBasicCrossbeam;
    pool_workstealing: Model::PoolWorkstealing;
    rayon: Model::Rayon;
    tokio: Model::Tokio;
}
