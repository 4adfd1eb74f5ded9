//! The register: findings as they are made, one for each subject.

use super::Finding;
use std::collections::BTreeMap;

/// Gathers findings. The same subject found again adds its counts and widens its span.
#[derive(Clone, Debug, Default)]
pub struct Register(BTreeMap<String, Finding>);

impl Register {
    /// Takes in a finding.
    pub fn add(&mut self, finding: Finding) {
        match self.0.entry(finding.id.clone()) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(finding);
            }
            std::collections::btree_map::Entry::Occupied(mut slot) => {
                let known = slot.get_mut();
                known.count = known.count.saturating_add(finding.count);
                known.of = known.of.saturating_add(finding.of);
                known.callers = known.callers.max(finding.callers);
                known.severity = known.severity.max(finding.severity);
                known.first_seen = match (known.first_seen, finding.first_seen) {
                    (Some(mine), Some(theirs)) => Some(mine.min(theirs)),
                    (mine, theirs) => mine.or(theirs),
                };
                known.last_seen = known.last_seen.max(finding.last_seen);
                if known.document.is_none() {
                    known.document = finding.document;
                }
            }
        }
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The findings in their order.
    #[must_use]
    pub fn into_findings(self) -> Vec<Finding> {
        let mut all: Vec<_> = self.0.into_values().collect();
        sort(&mut all);
        all
    }
}

/// Puts findings in their order: the most severe first, then by kind, host, path, method and detail.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        b.severity.cmp(&a.severity).then_with(|| {
            (a.kind, &a.host, &a.path_template, &a.method, &a.detail).cmp(&(
                b.kind,
                &b.host,
                &b.path_template,
                &b.method,
                &b.detail,
            ))
        })
    });
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Severity, Subject};
    use super::*;
    use crate::time::Timestamp;

    fn found(detail: &str, severity: Severity, at: i64) -> Finding {
        let mut finding = Finding::new(
            Kind::UndocumentedStatus,
            severity,
            Subject { host: "h", method: "GET", path_template: "/a/{id}" },
            detail,
        );
        (finding.count, finding.of) = (1, 2);
        finding.first_seen = Some(Timestamp::from_secs(at, 0));
        finding.last_seen = finding.first_seen;
        finding
    }

    #[test]
    fn the_same_subject_gains_counts_not_copies() {
        let mut register = Register::default();
        for (detail, severity, at) in
            [("500", Severity::Info, 5), ("500", Severity::Low, 3), ("404", Severity::Info, 9)]
        {
            register.add(found(detail, severity, at));
        }
        let all = register.into_findings();
        let shown: Vec<_> = all.iter().map(|one| (one.detail.as_str(), one.count, one.of)).collect();
        assert_eq!(shown, [("500", 2, 4), ("404", 1, 2)]);
        assert_eq!(all.first().unwrap().first_seen, Some(Timestamp::from_secs(3, 0)));
        assert_eq!(all.first().unwrap().last_seen, Some(Timestamp::from_secs(5, 0)));
    }
}
