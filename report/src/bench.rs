//! A bench's name, taken apart: `create/time/1000` is the part `create/time` at the parameter 1,000.

use record::Experiment;

/// The name without a number at its end, and that number.
pub(crate) fn split(bench: &str) -> (&str, Option<f64>) {
    let number = bench.rsplit_once('/').and_then(|(part, end)| {
        let number: u64 = end.parse().ok()?;
        Some((part, number as f64))
    });
    match number {
        Some((part, number)) => (part, Some(number)),
        None => (bench, None),
    }
}

/// The part of a bench.
pub(crate) fn part(bench: &str) -> &str {
    split(bench).0
}

/// What a parameter counts, for the axis.
pub(crate) fn parameter(bench: &str) -> &'static str {
    Experiment::of_bench(bench).map_or("parameter", Experiment::parameter)
}

/// Writes a parameter for a reader.
pub(crate) fn parameter_label(bench: &str, number: f64) -> String {
    let (step, units) = match parameter(bench).contains("bytes") {
        true => (1024.0, ["", "Ki", "Mi", "Gi"]),
        false => (1000.0, ["", "k", "M", "G"]),
    };
    let (mut number, mut unit) = (number, 0);
    while number >= step && unit + 1 < units.len() && (number / step * 10.0).fract() == 0.0 {
        number /= step;
        unit += 1;
    }
    format!("{number}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_at_the_end_is_the_parameter() {
        assert_eq!(split("create/time/1000"), ("create/time", Some(1000.0)));
        assert_eq!(split("fib/18"), ("fib", Some(18.0)));
        assert_eq!(split("create/overhead"), ("create/overhead", None));
        assert_eq!(split("18"), ("18", None));
    }

    #[test]
    fn parameters_read_well() {
        assert_eq!(parameter_label("create/time/1", 1_000_000.0), "1M");
        assert_eq!(parameter_label("create/time/1", 1_500.0), "1.5k");
        assert_eq!(parameter_label("create/time/1", 1_234.0), "1234");
        assert_eq!(parameter_label("ipc/latency/1", 65_536.0), "64Ki");
        assert_eq!(parameter_label("sort/8", 8.0), "8");
    }
}
