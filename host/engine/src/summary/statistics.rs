//! The numbers of a report. Pure, and in one pass: sums only, so memory does not grow with trials.

/// What is known of a mean. Values of one sample (its epochs) come one after another and form a cluster: they are not
/// independent, and the standard error accounts for it.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    n: u64,
    sum: f64,
    clusters: u64,
    cluster: Cluster,
    sum_of_squared_sums: f64,
    sum_of_sums_by_size: f64,
    sum_of_squared_sizes: f64,
    only_booleans: bool,
}

#[derive(Clone, Debug, Default)]
struct Cluster {
    key: Option<u64>,
    sum: f64,
    size: f64,
}

/// A mean and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// How many values.
    pub n: u64,
    /// Their mean; none of nothing, and none where their sum is no finite number.
    pub mean: Option<f64>,
    /// Its standard error, clustered by sample; none below two samples.
    pub stderr: Option<f64>,
    /// A 95 % interval; Wilson's where every value is true or false and each sample was asked once.
    pub interval: Option<(f64, f64)>,
}

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

impl Moments {
    /// Takes a value of the sample `key`.
    pub fn add(&mut self, key: u64, value: f64, boolean: bool) {
        if self.cluster.key != Some(key) {
            self.close_cluster();
            self.cluster.key = Some(key);
        }
        self.only_booleans = boolean && (self.n == 0 || self.only_booleans);
        self.n += 1;
        self.sum += value;
        self.cluster.sum += value;
        self.cluster.size += 1.0;
    }

    fn close_cluster(&mut self) {
        let Cluster { key, sum, size } = std::mem::take(&mut self.cluster);
        if key.is_some() {
            self.clusters += 1;
            self.sum_of_squared_sums += sum * sum;
            self.sum_of_sums_by_size += sum * size;
            self.sum_of_squared_sizes += size * size;
        }
    }

    /// What is known so far.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        let mut all = self.clone();
        all.close_cluster();
        if all.n == 0 {
            return Estimate {
                n: 0,
                mean: None,
                stderr: None,
                interval: None,
            };
        }
        let n = all.n as f64;
        let mean = all.sum / n;
        let stderr = (all.clusters > 1).then(|| all.clustered_stderr(mean, n));
        let interval = if all.only_booleans && all.clusters == all.n {
            Some(wilson(mean, n))
        } else {
            stderr.map(|stderr| (mean - Z * stderr, mean + Z * stderr))
        };
        // Sums of a scorer's numbers can leave the range of numbers; what they then come to is not known.
        let known = |value: &f64| value.is_finite();
        Estimate {
            n: all.n,
            mean: Some(mean).filter(known),
            stderr: stderr.filter(known),
            interval: interval.filter(|(low, high)| known(low) && known(high)),
        }
    }

    /// The cluster-robust standard error with the usual factor for few clusters; with clusters of one it is the
    /// textbook's.
    fn clustered_stderr(&self, mean: f64, n: f64) -> f64 {
        let residuals = self.sum_of_squared_sums - 2.0 * mean * self.sum_of_sums_by_size
            + mean * mean * self.sum_of_squared_sizes;
        let clusters = self.clusters as f64;
        (residuals.max(0.0) * clusters / (clusters - 1.0)).sqrt() / n
    }
}

/// Wilson's score interval for a proportion (E. B. Wilson, 1927).
fn wilson(proportion: f64, n: f64) -> (f64, f64) {
    let denominator = 1.0 + Z * Z / n;
    let centre = (proportion + Z * Z / (2.0 * n)) / denominator;
    let half =
        Z * (proportion * (1.0 - proportion) / n + Z * Z / (4.0 * n * n)).sqrt() / denominator;
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(values: &[(u64, f64)], boolean: bool) -> Estimate {
        let mut moments = Moments::default();
        values
            .iter()
            .for_each(|(key, value)| moments.add(*key, *value, boolean));
        moments.estimate()
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn one_value_a_sample_gives_the_textbook_standard_error() {
        let values: Vec<(u64, f64)> = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]
            .into_iter()
            .enumerate()
            .map(|(i, v)| (i as u64, v))
            .collect();
        let found = estimate(&values, false);
        close(found.mean.unwrap(), 5.0);
        close(
            found.stderr.unwrap(),
            (32.0_f64 / 7.0).sqrt() / 8.0_f64.sqrt(),
        );
    }

    #[test]
    fn asking_the_same_samples_again_makes_no_mean_more_certain() {
        let once = estimate(&[(0, 1.0), (1, 0.0), (2, 1.0)], false);
        let thrice: Vec<(u64, f64)> = [(0, 1.0), (1, 0.0), (2, 1.0)]
            .into_iter()
            .flat_map(|pair| [pair; 3])
            .collect();
        close(
            estimate(&thrice, false).stderr.unwrap(),
            once.stderr.unwrap(),
        );
    }

    #[test]
    fn a_proportion_gets_wilsons_interval() {
        let values: Vec<(u64, f64)> = (0..1_319)
            .map(|i| (i, f64::from(u8::from(i < 286))))
            .collect();
        let (low, high) = estimate(&values, true).interval.unwrap();
        close(low, 0.195_431_394_405_588_9);
        close(high, 0.239_875_085_430_667_18);
    }

    #[test]
    fn nothing_has_no_mean_and_one_sample_no_error() {
        assert_eq!(
            estimate(&[], true),
            Estimate {
                n: 0,
                mean: None,
                stderr: None,
                interval: None
            }
        );
        assert_eq!(estimate(&[(0, 1.0)], false).stderr, None);
    }
}
