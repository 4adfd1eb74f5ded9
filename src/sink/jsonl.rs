//! JSON lines: one object a line, under names that scripts may rely on.
//!
//! The same row gives the same line whether it comes from an analysis or was read back from a lake, which
//! keeps microseconds.

use crate::finding::DocumentPlace;
use crate::inventory::lifecycle::State;
use crate::lake::rows::{
    CallRow, CertificateRow, Count, DataClassRow, EndpointRow, EventRow, FindingRow, FormerRow, NoiseRow,
    OperationRow, ParameterRow, ServiceRow, VersionRow,
};
use crate::time::Timestamp;
use serde::Serialize;
use std::io::{self, Write};

/// Writes a line for each endpoint.
pub fn write_inventory<'a>(
    out: &mut dyn Write,
    rows: impl IntoIterator<Item = &'a EndpointRow>,
) -> io::Result<()> {
    rows.into_iter().try_for_each(|row| write_line(out, &EndpointLine::from(row)))
}

/// Writes a line for each finding.
pub fn write_findings<'a>(
    out: &mut dyn Write,
    rows: impl IntoIterator<Item = &'a FindingRow>,
) -> io::Result<()> {
    rows.into_iter().try_for_each(|row| write_line(out, &FindingLine::from(row)))
}

/// Writes a line for each change of an endpoint.
pub fn write_events<'a>(out: &mut dyn Write, rows: impl IntoIterator<Item = &'a EventRow>) -> io::Result<()> {
    rows.into_iter().try_for_each(|row| write_line(out, &EventLine::from(row)))
}

/// Writes a line for each service behind TLS.
pub fn write_services<'a>(
    out: &mut dyn Write,
    rows: impl IntoIterator<Item = &'a ServiceRow>,
) -> io::Result<()> {
    rows.into_iter().try_for_each(|row| write_line(out, &ServiceLine::from(row)))
}

/// Writes a line for each kind of noise on each host, and for each scanner.
pub fn write_noise<'a>(out: &mut dyn Write, rows: impl IntoIterator<Item = &'a NoiseRow>) -> io::Result<()> {
    rows.into_iter().try_for_each(|row| {
        let (first_seen, last_seen) = (row.first_seen.map(micros), row.last_seen.map(micros));
        write_line(out, &NoiseRow { first_seen, last_seen, ..row.clone() })
    })
}

/// Writes any value as one line.
pub fn write_line<T: Serialize>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// A line of `inventory --json`.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointLine<'a> {
    id: &'a str,
    host: &'a str,
    method: &'a str,
    path_template: &'a str,
    count: u64,
    class: &'a str,
    liveness: &'a str,
    live: u64,
    data_classes: &'a [DataClassRow],
    first_seen: Timestamp,
    last_seen: Timestamp,
    callers: u64,
    auth: &'a [Count],
    dialects: &'a [Count],
    banking_signs: &'a [Count],
    tpp_roles: &'a [Count],
    tpp_authorities: &'a [Count],
    tpps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rpc: Option<&'a CallRow>,
    vantages: &'a [Count],
    vantage_differences: &'a [Count],
    unseen_outside: &'a [Count],
    messages: &'a [Count],
    message_bytes: &'a [Count],
    message_kinds: &'a [Count],
    close_codes: &'a [Count],
    parameters: &'a [ParameterRow],
    former_templates: &'a [FormerRow],
    spec: Option<&'a str>,
    spec_document: Option<&'a str>,
    capability: &'a str,
    service: &'a str,
    service_evidence: &'a str,
    aliases: &'a [Count],
    tenants: u64,
    base_path: &'a str,
    servers: &'a [String],
    family: &'a str,
    versions: Vec<VersionRow>,
    owner: Option<&'a str>,
    lifecycle: &'a str,
    deprecated_since: Option<Timestamp>,
    sunset: Option<Timestamp>,
    tier: u8,
    operation: Option<&'a OperationRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exposure: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sla: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    compliance: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "is_none")]
    calls_after_sunset: u64,
    #[serde(skip_serializing_if = "<[Count]>::is_empty")]
    version_links: &'a [Count],
    #[serde(skip_serializing_if = "<[Count]>::is_empty")]
    policies: &'a [Count],
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes what it may skip so")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

impl<'a> From<&'a EndpointRow> for EndpointLine<'a> {
    fn from(row: &'a EndpointRow) -> Self {
        Self {
            id: &row.id,
            host: &row.host,
            method: &row.method,
            path_template: &row.path_template,
            count: row.count,
            class: &row.class,
            liveness: &row.liveness,
            live: row.live,
            data_classes: &row.data_classes,
            first_seen: micros(row.first_seen),
            last_seen: micros(row.last_seen),
            callers: row.callers,
            auth: &row.auth,
            dialects: &row.dialects,
            banking_signs: &row.banking_signs,
            tpp_roles: &row.tpp_roles,
            tpp_authorities: &row.tpp_authorities,
            tpps: row.tpps,
            rpc: Some(&row.calls).filter(|calls| !calls.is_empty()),
            vantages: &row.vantages,
            vantage_differences: &row.vantage_differences,
            unseen_outside: &row.unseen_outside,
            messages: &row.messages,
            message_bytes: &row.message_bytes,
            message_kinds: &row.message_kinds,
            close_codes: &row.close_codes,
            parameters: &row.parameters,
            former_templates: &row.former_templates,
            spec: row.spec.as_deref(),
            spec_document: row.spec_document.as_deref(),
            capability: &row.capability,
            service: &row.service,
            service_evidence: &row.service_evidence,
            aliases: &row.aliases,
            tenants: row.tenants,
            base_path: &row.base_path,
            servers: &row.servers,
            family: &row.family,
            versions: row
                .versions
                .iter()
                .map(|version| VersionRow {
                    first_seen: micros(version.first_seen),
                    last_seen: micros(version.last_seen),
                    ..version.clone()
                })
                .collect(),
            owner: row.owner.as_deref(),
            lifecycle: &row.lifecycle,
            deprecated_since: row.deprecated_since.map(micros),
            sunset: row.sunset.map(micros),
            tier: row.tier,
            operation: Some(&row.operation).filter(|operation| operation.parent.is_some()),
            environment: row.environment.as_deref(),
            exposure: row.exposure.as_deref(),
            sla: row.sla.as_deref(),
            compliance: &row.compliance,
            // What is active is so from its first call or its last return on, which hardly matters.
            lifecycle_since: row
                .lifecycle_since
                .filter(|_| row.lifecycle != State::Active.name())
                .map(micros),
            calls_after_sunset: row.calls_after_sunset,
            version_links: &row.version_links,
            policies: &row.policies,
        }
    }
}

/// A line of `events --json`.
#[derive(Clone, Debug, Serialize)]
pub struct EventLine<'a> {
    id: &'a str,
    at: Timestamp,
    kind: &'a str,
    detail: &'a str,
    before: &'a str,
    endpoint: &'a str,
    host: &'a str,
    method: &'a str,
    path_template: &'a str,
    service: &'a str,
    owner: Option<&'a str>,
}

impl<'a> From<&'a EventRow> for EventLine<'a> {
    fn from(row: &'a EventRow) -> Self {
        Self {
            id: &row.id,
            at: micros(row.at),
            kind: &row.kind,
            detail: &row.detail,
            before: &row.before,
            endpoint: &row.endpoint,
            host: &row.host,
            method: &row.method,
            path_template: &row.path_template,
            service: &row.service,
            owner: row.owner.as_deref(),
        }
    }
}

/// A line of `findings --json`.
#[derive(Clone, Debug, Serialize)]
pub struct FindingLine<'a> {
    id: &'a str,
    kind: &'a str,
    severity: &'a str,
    endpoint: Option<&'a str>,
    host: &'a str,
    method: &'a str,
    path_template: &'a str,
    detail: &'a str,
    explanation: &'a str,
    count: u64,
    of: u64,
    callers: u64,
    first_seen: Option<Timestamp>,
    last_seen: Option<Timestamp>,
    state: &'a str,
    references: &'a [String],
    document: Option<&'a DocumentPlace>,
    severity_score: u64,
    severity_reasons: &'a [String],
    disposition: Option<DispositionLine<'a>>,
}

/// What somebody has decided on a finding.
#[derive(Clone, Debug, Serialize)]
struct DispositionLine<'a> {
    author: &'a str,
    reason: &'a str,
    until: Option<Timestamp>,
}

impl<'a> From<&'a FindingRow> for FindingLine<'a> {
    fn from(row: &'a FindingRow) -> Self {
        Self {
            id: &row.id,
            kind: &row.kind,
            severity: &row.severity,
            endpoint: row.endpoint.as_deref(),
            host: &row.host,
            method: &row.method,
            path_template: &row.path_template,
            detail: &row.detail,
            explanation: &row.explanation,
            count: row.count,
            of: row.of,
            callers: row.callers,
            first_seen: row.first_seen.map(micros),
            last_seen: row.last_seen.map(micros),
            state: &row.state,
            references: &row.references,
            document: row.document.as_ref(),
            severity_score: row.score,
            severity_reasons: &row.reasons,
            disposition: (!row.author.is_empty()).then(|| DispositionLine {
                author: &row.author,
                reason: &row.reason,
                until: row.until.map(micros),
            }),
        }
    }
}

/// A line of `services --json`.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceLine<'a> {
    id: &'a str,
    host: &'a str,
    sni: Option<&'a str>,
    address: &'a str,
    port: u64,
    sessions: u64,
    read: u64,
    resumed: u64,
    bytes: u64,
    packets: u64,
    first_seen: Timestamp,
    last_seen: Timestamp,
    versions: &'a [Count],
    ciphers: &'a [Count],
    groups: &'a [Count],
    alpn: &'a [Count],
    ja4: &'a [Count],
    ech: u64,
    early_data: u64,
    post_quantum: u64,
    client_certificate_asked: u64,
    client_certificates: u64,
    client_certificate_issuers: &'a [String],
    certificates: Vec<CertificateRow>,
    problems: &'a [Count],
}

impl<'a> From<&'a ServiceRow> for ServiceLine<'a> {
    fn from(row: &'a ServiceRow) -> Self {
        let certificates = row.certificates.iter().map(|certificate| CertificateRow {
            not_after: micros(certificate.not_after),
            last_shown: micros(certificate.last_shown),
            ..certificate.clone()
        });
        Self {
            id: &row.id,
            host: &row.host,
            sni: row.sni.as_deref(),
            address: &row.address,
            port: row.port,
            sessions: row.sessions,
            read: row.read,
            resumed: row.resumed,
            bytes: row.bytes,
            packets: row.packets,
            first_seen: micros(row.first_seen),
            last_seen: micros(row.last_seen),
            versions: &row.versions,
            ciphers: &row.ciphers,
            groups: &row.groups,
            alpn: &row.alpn,
            ja4: &row.ja4,
            ech: row.encrypted_hellos,
            early_data: row.early_data,
            post_quantum: row.post_quantum,
            client_certificate_asked: row.asks_certificate,
            client_certificates: row.with_certificate,
            client_certificate_issuers: &row.client_issuers,
            certificates: certificates.collect(),
            problems: &row.problems,
        }
    }
}

/// An instant as the lake keeps it.
const fn micros(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_endpoint_is_one_line_under_stable_names() {
        let row = EndpointRow {
            id: "1".into(),
            host: "a.example".into(),
            method: "GET".into(),
            path_template: "/b/{id}".into(),
            class: "api".into(),
            count: 3,
            first_seen: Timestamp::from_nanos(1_999),
            auth: Count::list([("jwt", 3)]),
            data_classes: vec![DataClassRow { class: "fin.iban".into(), tier: 3, ..Default::default() }],
            tier: 3,
            ..Default::default()
        };
        assert_eq!(
            line(|out| write_inventory(out, [&row]).unwrap()),
            concat!(
                r#"{"id":"1","host":"a.example","method":"GET","path_template":"/b/{id}","count":3,"class":"api","#,
                r#""liveness":"","live":0,"data_classes":[{"location":"","field":"","class":"fin.iban","tier":3,"state":"","#,
                r#""confidence":0.0,"present":0,"valid":0,"masked":0,"distinct":0,"reason":"","former_state":"","first_seen":null,"last_seen":null,"changed":null,"sampled_one_in":0}],"#,
                r#""first_seen":"1970-01-01T00:00:00.000001Z","last_seen":"1970-01-01T00:00:00Z","callers":0,"#,
                r#""auth":[{"name":"jwt","count":3}],"dialects":[],"banking_signs":[],"tpp_roles":[],"#,
                r#""tpp_authorities":[],"tpps":0,"vantages":[],"vantage_differences":[],"unseen_outside":[],"messages":[],"#,
                r#""message_bytes":[],"message_kinds":[],"close_codes":[],"parameters":[],"former_templates":[],"#,
                r#""spec":null,"spec_document":null,"capability":"","service":"","service_evidence":"","aliases":[],"tenants":0,"base_path":"","servers":[],"family":"","versions":[],"#,
                r#""owner":null,"lifecycle":"","deprecated_since":null,"sunset":null,"tier":3,"operation":null}"#,
                "\n"
            )
        );
    }

    #[test]
    fn a_finding_is_one_line_under_stable_names() {
        let row = FindingRow {
            id: "f".into(),
            kind: "shadow_endpoint".into(),
            severity: "high".into(),
            references: vec!["OWASP-API9:2023".into()],
            document: Some(DocumentPlace { file: "a.yaml".into(), line: Some(3), pointer: "/paths".into() }),
            ..Default::default()
        };
        assert_eq!(
            line(|out| write_findings(out, [&row]).unwrap()),
            concat!(
                r#"{"id":"f","kind":"shadow_endpoint","severity":"high","endpoint":null,"host":"","method":"","#,
                r#""path_template":"","detail":"","explanation":"","count":0,"of":0,"callers":0,"#,
                r#""first_seen":null,"last_seen":null,"state":"","references":["OWASP-API9:2023"],"#,
                r#""document":{"file":"a.yaml","line":3,"pointer":"/paths"},"severity_score":0,"severity_reasons":[],"disposition":null}"#,
                "\n"
            )
        );
    }
}
