//! Services behind TLS: old versions, weak suites, certificates that have ended or soon will.
//!
//! [`Service::problems`] judges by packet time, so that a capture replays to the same findings.

use super::counted;
use crate::finding::{Finding, Kind, Register, Severity, Subject};
use crate::tls::certificate::Certificate;
use crate::tls::service::{Problem, Service, Services};
use crate::tls::suite::{Version, Weakness};

pub(super) fn judge(services: &Services, register: &mut Register) {
    // A finding for each name: its sockets are machines of one service.
    for (name, service) in services.by_name() {
        for (problem, count) in service.problems() {
            register.add(finding(&name, &service, problem, count));
        }
    }
}

fn finding(name: &str, service: &Service, problem: Problem<'_>, count: u64) -> Finding {
    let agreed =
        |on: &str| format!("{count} of {} agreed on {on}", counted(service.connections, "connection"));
    let shown = |certificate: &Certificate, word: &str| {
        let issuer = certificate.issuer.as_deref().unwrap_or("an unnamed issuer");
        let day = certificate.last_day();
        format!("the certificate by {issuer} {word} on {day}; shown in {}", counted(count, "handshake"))
    };
    let (kind, severity, detail, explanation) = match problem {
        Problem::OldVersion(version) => {
            let severity = if version < Version::TLS10 { Severity::High } else { Severity::Medium };
            let name = version.name();
            let explanation = format!("{}, which must not be used any more", agreed(&name));
            (Kind::WeakTls, severity, name, explanation)
        }
        Problem::WeakSuite(suite, weakness) => {
            let severity = match weakness {
                Weakness::NoEncryption | Weakness::Anonymous => Severity::High,
                Weakness::BrokenCipher => Severity::Medium,
                Weakness::NoForwardSecrecy => Severity::Low,
            };
            let name = suite.name();
            let explanation = format!("{}, which {}", agreed(&name), weakness.words());
            (Kind::WeakTls, severity, name, explanation)
        }
        Problem::Expired(certificate) => {
            let explanation = shown(certificate, "ended");
            (Kind::CertificateExpired, Severity::High, certificate.last_day(), explanation)
        }
        Problem::Expiring(certificate) => {
            let explanation = shown(certificate, "ends");
            (Kind::CertificateExpiring, Severity::Medium, certificate.last_day(), explanation)
        }
    };
    let subject = Subject { host: name, method: "", path_template: "" };
    let mut finding = Finding::new(kind, severity, subject, &detail);
    finding.explanation = explanation;
    (finding.count, finding.of) = (count, service.connections);
    if let Some((first, last)) = service.span {
        (finding.first_seen, finding.last_seen) = (Some(first), Some(last));
    }
    finding
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::service::tests::{Told, services};
    use crate::tls::suite::CipherSuite;

    fn found(told: &[Told]) -> Vec<(&'static str, Severity, String)> {
        let mut register = Register::default();
        judge(&services(told), &mut register);
        let all = register.into_findings();
        all.into_iter().map(|finding| (finding.kind.name(), finding.severity, finding.detail)).collect()
    }

    #[test]
    fn what_is_agreed_on_is_judged() {
        let good = Told { version: Version::TLS13, suite: CipherSuite(0x1301), ends: 400, at: 1 };
        assert_eq!(found(&[good]), []);
        let old = Told { version: Version(0x0301), suite: CipherSuite(0xc013), ..good };
        let broken = Told { version: Version::TLS12, suite: CipherSuite(0x0005), ..good };
        let fixed = Told { version: Version::TLS12, suite: CipherSuite(0x009c), ..good };
        assert_eq!(
            found(&[good, old, broken, fixed]),
            [
                ("weak_tls", Severity::Medium, "TLS 1.0".to_owned()),
                ("weak_tls", Severity::Medium, "TLS_RSA_WITH_RC4_128_SHA".to_owned()),
                ("weak_tls", Severity::Low, "TLS_RSA_WITH_AES_128_GCM_SHA256".to_owned()),
            ]
        );
    }

    #[test]
    fn certificates_are_held_against_packet_time() {
        let shown = Told { version: Version::TLS12, suite: CipherSuite(0xc02f), ends: 100, at: 1 };
        assert_eq!(found(&[shown]), []);
        let soon = Told { at: 80, ..shown };
        assert_eq!(found(&[soon]), [("certificate_expiring", Severity::Medium, "1970-04-11".to_owned())]);
        let late = Told { at: 101, ..shown };
        assert_eq!(found(&[shown, late]), [("certificate_expired", Severity::High, "1970-04-11".to_owned())]);
        // Renewed: the old one is not shown any more.
        let renewed = Told { ends: 900, at: 103, ..shown };
        assert_eq!(found(&[late, renewed]), []);
    }
}
