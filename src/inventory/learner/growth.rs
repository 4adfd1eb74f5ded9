//! Do the names at a position keep growing, as ids do, or have they been seen, as the words of an API?
//!
//! The calls of a set of names are a partition. Two Pitman-Yor processes are compared as its source: one
//! that keeps inventing (ids), one that saturates (words). Their log Bayes factor, per root of the calls,
//! is the evidence.

use super::segment::real;

/// Names beyond the most called ones that are not looked at.
pub(super) const MOST: usize = 400;

/// Log Bayes factor of growing against saturated for the calls of each name.
pub(super) fn growth(calls: &[u64]) -> f64 {
    partition(calls, 4.0, 0.55) - partition(calls, 1.5, 0.0)
}

/// The log probability of a partition under a Pitman-Yor process.
#[expect(clippy::cast_precision_loss, reason = "call counts are far below 2^52")]
fn partition(calls: &[u64], strength: f64, discount: f64) -> f64 {
    let total: u64 = calls.iter().sum();
    let inventing: f64 = (1..calls.len()).map(|i| (strength + real(i) * discount).ln()).sum();
    let alone = ln_gamma(1.0 - discount);
    let mut repeating = 0.0;
    let mut last = (0, 0.0);
    for count in calls {
        if last.0 != *count {
            last = (*count, ln_gamma(*count as f64 - discount) - alone);
        }
        repeating += last.1;
    }
    inventing - (ln_gamma(strength + total as f64) - ln_gamma(strength + 1.0)) + repeating
}

/// The logarithm of the gamma function for positive numbers: Stirling's series, shifted for small ones.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 9.0 {
        shift += x.ln();
        x += 1.0;
    }
    let (inverse, square) = (1.0 / x, 1.0 / (x * x));
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    (x - 0.5) * x.ln() - x + 0.918_938_533_204_672_7 + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gamma_function_is_right() {
        for (x, expected) in
            [(1.0, 0.0), (2.0, 0.0), (0.5, 0.572_364_942_924_700_1), (10.0, 12.801_827_480_081_469)]
        {
            assert!((ln_gamma(x) - expected).abs() < 1e-9, "{x}");
        }
    }

    #[test]
    fn names_seen_once_grow_and_names_seen_often_do_not() {
        assert!(growth(&[1; 30]) > 5.0);
        assert!(growth(&[100, 80, 60, 50]) < -2.0);
    }
}
