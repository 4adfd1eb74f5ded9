//! Vantages: calls that went past one, and exchanges that two tell differently.

use super::{Seen, counted};
use crate::finding::{Kind, Register, Severity};
use crate::inventory::vantage::{Difference, Hop};

pub(super) fn judge(seen: &[Seen<'_>], register: &mut Register) {
    for one in seen {
        for hop in &one.endpoint.hops {
            if hop.alone > 0 {
                bypass(one, hop, register);
            }
            disagreement(one, hop, register);
        }
    }
}

fn bypass(one: &Seen<'_>, hop: &Hop, register: &mut Register) {
    let label = hop.vantage.label();
    let detail = format!("{label} {}", hop.key);
    let mut finding = one.finding(Kind::GatewayBypass, Severity::High, &detail, (hop.alone, hop.requests));
    finding.explanation = format!(
        "{} of {} at {label} were not seen further out, though {} of this endpoint were",
        hop.alone,
        counted(hop.requests, "call"),
        hop.echoes
    );
    register.add(finding);
}

/// One for each hop and kind of difference.
fn disagreement(one: &Seen<'_>, hop: &Hop, register: &mut Register) {
    let inner = hop.vantage.label();
    for (kind, severity, what) in [
        ("status", Severity::Low, "another status"),
        ("method", Severity::Info, "another method"),
        ("credential_outside", Severity::Info, "no credential where the one further out had one"),
        ("credential_inside", Severity::Info, "a credential where the one further out had none"),
    ] {
        let mut count = 0;
        let mut between: Vec<String> = Vec::new();
        for ((outer, difference), times) in &hop.differences {
            let of = match difference {
                Difference::Status(..) => "status",
                Difference::Method => "method",
                Difference::CredentialOutside => "credential_outside",
                Difference::CredentialInside => "credential_inside",
            };
            if of == kind {
                count += times;
                between.push(format!("{} ({times})", difference.between(outer, &hop.vantage)));
            }
        }
        if count == 0 {
            continue;
        }
        between.truncate(5);
        let detail = format!("{kind} {inner} {}", hop.key);
        let shown = (count, hop.echoes);
        let mut finding = one.finding(Kind::VantageDisagreement, severity, &detail, shown);
        finding.explanation = format!(
            "{count} of {} at {inner} had {what}: {}",
            counted(hop.echoes, "call"),
            between.join(", ")
        );
        register.add(finding);
    }
}
