//! The tables: names, versions and columns.
//!
//! Columns are named after OpenTelemetry's HTTP conventions with `_` for `.` where these have a name. A
//! column may be added within a version; readers take what they know and leave the rest. Renaming,
//! removing or retyping one is a new version in a new folder.

use super::columns::{
    self, Column, Lens, Place, WrongType, downcast, instant_at, instant_type, instants, reals, text_at,
};
use super::rows::{
    CaptureRow, EndpointRow, EventRow, FindingRow, NoiseRow, ObservationRow, Origin, ServiceRow, Stored,
};
use crate::time::Timestamp;
use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::sync::Arc;

/// A kind of row and the table it belongs to.
pub trait Table: Default {
    /// The table's name: its folder below the lake.
    const NAME: &'static str;
    /// The version of its schema: the folder below its name.
    const VERSION: u32 = 1;

    /// Its columns, behind those of every table.
    fn columns() -> Vec<Column<Self>>;

    /// What rows are sorted by within a file.
    fn sort_key(&self) -> [&str; 4];

    /// The window that this row rests on.
    fn window(&self, origin: &Origin) -> (Timestamp, Timestamp) {
        (origin.window_start, origin.window_end)
    }

    /// The instant whose date and hour the row is filed under.
    fn filed_at(&self, origin: &Origin) -> Timestamp {
        origin.window_end
    }

    /// Takes back what only the window tells.
    fn restore(&mut self, _window_start: Timestamp) {}
}

/// A lens on a field of a row.
macro_rules! lens {
    ($($field:tt)+) => {
        (|row: &Self| &row.$($field)+, |row: &mut Self| &mut row.$($field)+)
    };
}

const fn column<R>(name: &'static str, place: Place<R>, doc: &'static str) -> Column<R> {
    Column { name, doc, place }
}

/// The columns that name an endpoint.
fn identity<R>(
    id: Place<R>,
    host: Lens<R, String>,
    method: Lens<R, String>,
    template: Lens<R, String>,
) -> [Column<R>; 4] {
    [
        column("endpoint_id", id, "stable id, of method, host and the first template"),
        column("server_address", Place::Text(host), "host of the request, lower case, without port"),
        column("http_request_method", Place::Text(method), "method as sent"),
        column("url_template", Place::Text(template), "path template"),
    ]
}

impl EndpointRow {
    /// The columns that tell what an operation is under its URL.
    fn operation_columns() -> Vec<Column<Self>> {
        use Place::{Count, Counts, MaybeText};
        vec![
            column(
                "parent_endpoint_id",
                MaybeText(lens!(operation.parent)),
                "of an operation the URL's endpoint; null where the row is a URL itself",
            ),
            column(
                "operation_kind",
                MaybeText(lens!(operation.kind)),
                "graphql, json_rpc, soap, xml_rpc, iso20022, odata",
            ),
            column(
                "operation_type",
                MaybeText(lens!(operation.operation_type)),
                "query, mutation, subscription",
            ),
            column("operation_name", MaybeText(lens!(operation.name)), "name of the operation under its URL"),
            column(
                "operation_fields",
                Counts(lens!(operation.fields)),
                "calls by root field of GraphQL, action of SOAP, root element of a message",
            ),
            column(
                "operation_errors",
                Count(lens!(operation.errors)),
                "calls answered with an error of the operation itself, whatever the status",
            ),
            column("operation_error_codes", Counts(lens!(operation.error_codes)), "such errors by code"),
        ]
    }
}

impl Table for EndpointRow {
    const NAME: &'static str = "endpoints";

    #[expect(clippy::too_many_lines, reason = "all columns, each in a line or a few")]
    fn columns() -> Vec<Column<Self>> {
        use Place::{
            Buckets, Bytes, Count, Counts, DataClasses, Formers, Grade, Instant, MaybeInstant, MaybeText,
            Parameters, Real, Statuses, Text,
        };
        let mut all = Vec::from(identity(Text(lens!(id)), lens!(host), lens!(method), lens!(path_template)));
        all.extend([
            column(
                "template_confidence",
                Real(lens!(template_confidence)),
                "how sure the template is, 0 to 1",
            ),
            column(
                "endpoint_class",
                Text(lens!(class)),
                "api, static, scanner, preflight, health, probe, unknown",
            ),
            column(
                "path_parameters",
                Parameters(lens!(parameters)),
                "parameters of the template: name, segment from 1, type, confirmed data class",
            ),
            column(
                "former_templates",
                Formers(lens!(former_templates)),
                "templates the endpoint had before, and when each was last one; {…} for what turned out to be a value",
            ),
            column("capability", Text(lens!(capability)), "business capability"),
            column("owner", MaybeText(lens!(owner)), "who owns it"),
            column(
                "lifecycle",
                Text(lens!(lifecycle)),
                "new, active, deprecated, sunset (past it and called), dormant, retired, resurrected; superseded when the endpoint became part of another, whose template was refined",
            ),
            column("risk_tier", Grade(lens!(tier)), "harm that misuse could do, 4 most"),
            column(
                "liveness",
                Text(lens!(liveness)),
                "how strongly answers say that it exists: strong, fair, weak, none",
            ),
            column("live_count", Count(lens!(live)), "exchanges that show that it exists"),
            column("request_count", Count(lens!(count)), "exchanges"),
            column("first_seen", Instant(lens!(first_seen)), "first exchange"),
            column("last_seen", Instant(lens!(last_seen)), "last exchange"),
            column("callers_estimate", Count(lens!(callers)), "distinct callers; exact up to 64"),
            column("callers_hll", Bytes(lens!(callers_sketch)), "callers as DataSketches HLL_4, lg_k 11"),
            column("auth", Counts(lens!(auth)), "exchanges by authentication scheme"),
            column("api_dialects", Counts(lens!(dialects)), "exchanges by dialect of open banking"),
            column(
                "banking_signs",
                Counts(lens!(banking_signs)),
                "exchanges whose headers tell of a present user, a consent, a signature",
            ),
            column(
                "tpp_roles",
                Counts(lens!(tpp_roles)),
                "exchanges by PSD2 roles of the caller's certificate (ETSI TS 119 495)",
            ),
            column(
                "tpp_authorities",
                Counts(lens!(tpp_authorities)),
                "exchanges by country and authority in the organisation identifier of the caller's certificate",
            ),
            column("tpps_estimate", Count(lens!(tpps)), "distinct organisations of callers' certificates"),
            column(
                "vantages",
                Counts(lens!(vantages)),
                "sightings by vantage and the endpoint's name there; empty where vantages are not told apart",
            ),
            column(
                "vantage_differences",
                Counts(lens!(vantage_differences)),
                "exchanges that vantages tell differently, by what differs",
            ),
            column(
                "unseen_outside",
                Counts(lens!(unseen_outside)),
                "sightings by vantage that none further out had, though one was watching",
            ),
            column(
                "messages",
                Counts(lens!(messages)),
                "messages over WebSocket and events of streams by side and sort: client text, server binary",
            ),
            column("message_bytes", Counts(lens!(message_bytes)), "their bytes by side, compressed as sent"),
            column(
                "message_kinds",
                Counts(lens!(message_kinds)),
                "messages that were read by side and kind: client type=subscribe, server event=price",
            ),
            column("close_codes", Counts(lens!(close_codes)), "exchanges over WebSocket by why they were closed (RFC 6455)"),
            column("statuses", Statuses(lens!(statuses)), "exchanges by status, 0 without response"),
            column("latency", Buckets(lens!(latencies)), LATENCY),
            column("request_body_bytes", Count(lens!(request_bytes)), "bytes of request bodies"),
            column("response_body_bytes", Count(lens!(response_bytes)), "bytes of response bodies"),
            column("tls_count", Count(lens!(tls)), "exchanges over TLS"),
            column(
                "data_classes",
                DataClasses(lens!(data_classes)),
                "classes of data by field, with evidence",
            ),
            column("spec_verdict", MaybeText(lens!(spec)), "what the documents say; null without documents"),
            column("spec_document", MaybeText(lens!(spec_document)), "the document that names it"),
            column(
                "deprecated_since",
                MaybeInstant(lens!(deprecated_since)),
                "as its answers say (RFC 9745)",
            ),
            column(
                "sunset",
                MaybeInstant(lens!(sunset)),
                "as its answers (RFC 8594), the document or its owner says",
            ),
        ]);
        all.extend(Self::of_calls());
        all.extend(Self::operation_columns());
        all.extend(Self::service_columns());
        all.extend(Self::claim_columns());
        all
    }

    fn sort_key(&self) -> [&str; 4] {
        [&self.host, &self.path_template, &self.method, &self.id]
    }
}

impl EndpointRow {
    /// The columns of remote calls.
    fn of_calls() -> Vec<Column<Self>> {
        use Place::{Count, Counts, Text};
        vec![
            column(
                "rpc_protocols",
                Counts(lens!(calls.protocols)),
                "remote calls by protocol: grpc, connect",
            ),
            column(
                "rpc_outcomes",
                Counts(lens!(calls.outcomes)),
                "remote calls by outcome: ok, not_found; none where none was told",
            ),
            column(
                "rpc_outcomes_told",
                Counts(lens!(calls.outcomes_told)),
                "remote calls by where the outcome was told: trailers, trailers_only, body",
            ),
            column(
                "rpc_failed",
                Count(lens!(calls.failed)),
                "remote calls that failed though their HTTP status is a success",
            ),
            column(
                "rpc_streaming",
                Text(lens!(calls.streaming)),
                "streams seen: unary, client, server, bidi; empty for what is no remote call",
            ),
            column("rpc_request_messages", Count(lens!(calls.request_messages)), "messages to the server"),
            column(
                "rpc_request_message_bytes",
                Count(lens!(calls.request_message_bytes)),
                "bytes of messages to the server, compressed where they are",
            ),
            column(
                "rpc_request_message_largest",
                Count(lens!(calls.request_message_largest)),
                "bytes of the largest message to the server",
            ),
            column("rpc_response_messages", Count(lens!(calls.response_messages)), "messages to the client"),
            column(
                "rpc_response_message_bytes",
                Count(lens!(calls.response_message_bytes)),
                "bytes of messages to the client, compressed where they are",
            ),
            column(
                "rpc_response_message_largest",
                Count(lens!(calls.response_message_largest)),
                "bytes of the largest message to the client",
            ),
            column(
                "rpc_request_compressions",
                Counts(lens!(calls.request_compressions)),
                "remote calls by the compression that the client names",
            ),
            column(
                "rpc_response_compressions",
                Counts(lens!(calls.response_compressions)),
                "remote calls by the compression that the server names",
            ),
        ]
    }

    /// The columns that tell of hosts, base paths and versions.
    fn service_columns() -> Vec<Column<Self>> {
        use Place::{Count, Counts, Text, Texts, Versions};
        vec![
            column(
                "service",
                Text(lens!(service)),
                "of the hosts that are one service the one called most; {tenant}.domain for tenants",
            ),
            column(
                "service_evidence",
                Text(lens!(service_evidence)),
                "what shows that several hosts are one service; empty for a single one",
            ),
            column(
                "service_aliases",
                Counts(lens!(aliases)),
                "other hosts of the service, with the operations they share with it",
            ),
            column("tenant_count", Count(lens!(tenants)), "hosts of the service that were tenants'"),
            column(
                "base_path",
                Text(lens!(base_path)),
                "stage or gateway's prefix in front of the service's own paths",
            ),
            column("servers", Texts(lens!(servers)), "addresses of servers that answered, at most 8"),
            column("family_id", Text(lens!(family)), "stable id that all versions of the operation share"),
            column(
                "versions",
                Versions(lens!(versions)),
                "versions it was called in, by what told them: path, header, query, media_type",
            ),
        ]
    }

    /// The columns of what operators tell of it, and of its life; its owner and state stand further in front.
    fn claim_columns() -> Vec<Column<Self>> {
        use Place::{Count, Counts, MaybeInstant, MaybeText, Texts};
        vec![
            column("environment", MaybeText(lens!(environment)), "environment it runs in"),
            column(
                "exposure",
                MaybeText(lens!(exposure)),
                "who can reach it by agreement: internal, partner, public",
            ),
            column("sla", MaybeText(lens!(sla)), "level of service that is agreed on"),
            column("compliance", Texts(lens!(compliance)), "rules it falls under, as operators tell"),
            column(
                "lifecycle_since",
                MaybeInstant(lens!(lifecycle_since)),
                "since when its lifecycle is that",
            ),
            column("calls_after_sunset", Count(lens!(calls_after_sunset)), "calls after its sunset"),
            column(
                "version_links",
                Counts(lens!(version_links)),
                "answers by the relation of their links: successor-version, latest-version, deprecation, sunset",
            ),
            column(
                "policies",
                Counts(lens!(policies)),
                "answers with success by the policy their headers state; `answers` are all whose headers were seen",
            ),
        ]
    }
}

const LATENCY: &str = "exchanges by latency bucket b: from b microseconds for b below 4, else from \
                       (4 + b % 4) << (b / 4 - 1)";

impl Table for ObservationRow {
    const NAME: &'static str = "observations";

    fn columns() -> Vec<Column<Self>> {
        use Place::{Buckets, Bytes, Count, Counts, MaybeText, Text};
        let mut all =
            Vec::from(identity(Text(lens!(endpoint)), lens!(host), lens!(method), lens!(path_template)));
        all.extend([
            column(
                "endpoint_class",
                Text(lens!(class)),
                "api, static, scanner, preflight, health, probe, unknown",
            ),
            column("caller_group", Text(lens!(caller_group)), "all, where callers are not told apart"),
            column("responses_none", Count(lens!(by_status_class[0])), "exchanges without response"),
            column("responses_1xx", Count(lens!(by_status_class[1])), "exchanges by class of status"),
            column("responses_2xx", Count(lens!(by_status_class[2])), "exchanges by class of status"),
            column("responses_3xx", Count(lens!(by_status_class[3])), "exchanges by class of status"),
            column("responses_4xx", Count(lens!(by_status_class[4])), "exchanges by class of status"),
            column("responses_5xx", Count(lens!(by_status_class[5])), "exchanges by class of status"),
            column("rpc_outcomes", Counts(lens!(call_outcomes)), "remote calls by outcome"),
            column("request_body_bytes", Count(lens!(request_bytes)), "bytes of request bodies"),
            column("response_body_bytes", Count(lens!(response_bytes)), "bytes of response bodies"),
            column("latency", Buckets(lens!(latencies)), LATENCY),
            column("callers_estimate", Count(lens!(callers)), "distinct callers; exact up to 64"),
            column("callers_hll", Bytes(lens!(callers_sketch)), "callers as DataSketches HLL_4, lg_k 11"),
            column("data_classes", Counts(lens!(data_classes)), "exchanges that carried a class of data"),
            column(
                "parent_endpoint_id",
                MaybeText(lens!(parent)),
                "of an operation the URL's endpoint, whose row counts the same exchanges; null where the row is a URL's",
            ),
            column("operation_name", MaybeText(lens!(operation_name)), "of an operation its name"),
        ]);
        all
    }

    fn sort_key(&self) -> [&str; 4] {
        [&self.host, &self.path_template, &self.method, &self.caller_group]
    }

    fn window(&self, _: &Origin) -> (Timestamp, Timestamp) {
        (hour(self.hour), hour(self.hour.saturating_add(1)))
    }

    fn filed_at(&self, _: &Origin) -> Timestamp {
        hour(self.hour)
    }

    fn restore(&mut self, window_start: Timestamp) {
        self.hour = window_start.hour();
    }
}

const fn hour(hours: i64) -> Timestamp {
    Timestamp::from_secs(hours.saturating_mul(3_600), 0)
}

impl Table for FindingRow {
    const NAME: &'static str = "findings";

    fn columns() -> Vec<Column<Self>> {
        use Place::{Count, Document, MaybeInstant, MaybeText, Text, Texts};
        let mut all = vec![
            column("finding_id", Text(lens!(id)), "stable id of kind and subject"),
            column("kind", Text(lens!(kind)), "kind of conclusion"),
            column("severity", Text(lens!(severity)), "info, low, medium, high, critical"),
            column("state", Text(lens!(state)), "disposition"),
        ];
        all.extend(identity(MaybeText(lens!(endpoint)), lens!(host), lens!(method), lens!(path_template)));
        all.extend([
            column("detail", Text(lens!(detail)), "which status, parameter or property"),
            column("explanation", Text(lens!(explanation)), "in words"),
            column("evidence_count", Count(lens!(count)), "exchanges that show it"),
            column("evidence_of", Count(lens!(of)), "exchanges that could have shown it"),
            column("callers_estimate", Count(lens!(callers)), "distinct callers of the endpoint"),
            column("first_seen", MaybeInstant(lens!(first_seen)), "first exchange that shows it"),
            column("last_seen", MaybeInstant(lens!(last_seen)), "last exchange that shows it"),
            column("standard_references", Texts(lens!(references)), "standards it touches"),
            column("document", Document(lens!(document)), "where to mend it"),
            column("severity_score", Count(lens!(score)), "what it weighs, 0 to 100"),
            column("severity_reasons", Texts(lens!(reasons)), "that sum, part by part"),
            column("disposition_author", Text(lens!(author)), "who decided on it; empty: nobody"),
            column("disposition_reason", Text(lens!(reason)), "why"),
            column("disposition_until", MaybeInstant(lens!(until)), "until when it is accepted"),
            column("record_kind", Text(lens!(record)), "evidence, or decision: what was seen is as before"),
        ]);
        all
    }

    fn sort_key(&self) -> [&str; 4] {
        [&self.kind, &self.host, &self.path_template, &self.id]
    }
}

impl Table for EventRow {
    const NAME: &'static str = "events";

    fn columns() -> Vec<Column<Self>> {
        use Place::{Instant, MaybeText, Text};
        let mut all = vec![
            column("event_id", Text(lens!(id)), "stable id of endpoint and change"),
            column("event_time", Instant(lens!(at)), "when, by the traffic that showed it"),
            column(
                "kind",
                Text(lens!(kind)),
                "endpoint_new, state_changed, template_refined, version_new, auth_new, status_new, parameter_new, \
                 property_new, data_class_suspected, data_class_confirmed, data_class_cleared, more_changed",
            ),
            column(
                "detail",
                Text(lens!(detail)),
                "what is new: state, template, version, scheme, status, parameter, property, class of data",
            ),
            column("before", Text(lens!(before)), "what it was before; empty where it was nothing"),
        ];
        all.extend(identity(Text(lens!(endpoint)), lens!(host), lens!(method), lens!(path_template)));
        all.extend([
            column("service", Text(lens!(service)), "service of the endpoint"),
            column("owner", MaybeText(lens!(owner)), "who owns it"),
        ]);
        all
    }

    fn sort_key(&self) -> [&str; 4] {
        [&self.host, &self.path_template, &self.method, &self.id]
    }
}

impl Table for ServiceRow {
    const NAME: &'static str = "services";

    fn columns() -> Vec<Column<Self>> {
        use Place::{Certificates, Count, Counts, Instant, MaybeText, Text, Texts};
        vec![
            column("service_id", Text(lens!(id)), "stable id of name and socket"),
            column(
                "server_address",
                Text(lens!(host)),
                "the host that clients ask for, or the server's socket where they name none",
            ),
            column("tls_client_server_name", MaybeText(lens!(sni)), "the host that clients ask for (SNI)"),
            column("network_local_address", Text(lens!(address)), "the server's address"),
            column("server_port", Count(lens!(port)), "the server's port"),
            column("session_count", Count(lens!(sessions)), "TLS connections"),
            column("read_count", Count(lens!(read)), "those that were read with keys"),
            column("resumed_count", Count(lens!(resumed)), "those that resumed a session"),
            column("byte_count", Count(lens!(bytes)), "their stream bytes"),
            column("packet_count", Count(lens!(packets)), "packets that brought them"),
            column("first_seen", Instant(lens!(first_seen)), "first packet"),
            column("last_seen", Instant(lens!(last_seen)), "last packet"),
            column("tls_versions", Counts(lens!(versions)), "connections by version agreed on"),
            column("tls_ciphers", Counts(lens!(ciphers)), "connections by cipher suite agreed on"),
            column("tls_groups", Counts(lens!(groups)), "connections by group of the key exchange"),
            column(
                "alpn_protocols",
                Counts(lens!(alpn)),
                "connections by protocol agreed on, else the client's first choice",
            ),
            column("ja4", Counts(lens!(ja4)), "connections by JA4 fingerprint of the client, at most 32"),
            column(
                "ech_count",
                Count(lens!(encrypted_hellos)),
                "connections whose client hid its real hello",
            ),
            column("early_data_count", Count(lens!(early_data)), "connections with data before the answer"),
            column(
                "post_quantum_count",
                Count(lens!(post_quantum)),
                "connections whose key exchange withstands a quantum computer",
            ),
            column(
                "client_certificate_asked_count",
                Count(lens!(asks_certificate)),
                "connections whose server asked for the client's certificate, where that shows",
            ),
            column(
                "client_certificate_count",
                Count(lens!(with_certificate)),
                "connections whose client showed a certificate",
            ),
            column(
                "client_certificate_issuers",
                Texts(lens!(client_issuers)),
                "organisations that issued clients' certificates",
            ),
            column(
                "certificates",
                Certificates(lens!(certificates)),
                "the server's certificates that are in use, where they show: under TLS 1.2, or with keys",
            ),
            column(
                "problems",
                Counts(lens!(problems)),
                "what is wrong with it, and the connections that show it",
            ),
        ]
    }

    fn sort_key(&self) -> [&str; 4] {
        [&self.host, &self.address, &self.id, ""]
    }
}

impl Table for NoiseRow {
    const NAME: &'static str = "noise";

    fn columns() -> Vec<Column<Self>> {
        use Place::{Count, MaybeInstant, Text};
        vec![
            column(
                "kind",
                Text(lens!(kind)),
                "scanner, static, preflight, health, unknown: paths of a host; scanner_source: a client",
            ),
            column("server_address", Text(lens!(host)), "host that was asked; empty for a client"),
            column("client_address", Text(lens!(source)), "client that asks mostly for what is not there"),
            column("path_count", Count(lens!(paths)), "paths"),
            column("request_count", Count(lens!(count)), "exchanges"),
            column(
                "refused_count",
                Count(lens!(refused)),
                "of a client: exchanges that got nothing, or what anything gets",
            ),
            column(
                "hostile_count",
                Count(lens!(hostile)),
                "of a client: exchanges for paths that no application serves",
            ),
            column(
                "callers_estimate",
                Count(lens!(callers)),
                "distinct callers of the path of a host that had most",
            ),
            column("first_seen", MaybeInstant(lens!(first_seen)), "first exchange, of paths"),
            column("last_seen", MaybeInstant(lens!(last_seen)), "last exchange, of paths"),
        ]
    }

    fn sort_key(&self) -> [&str; 4] {
        [&self.kind, &self.host, &self.source, ""]
    }
}

impl Table for CaptureRow {
    const NAME: &'static str = "capture";

    fn columns() -> Vec<Column<Self>> {
        use Place::{Count, Counts, MaybeInstant, Text};
        vec![
            column("source", Text(lens!(source)), "source as the user named it"),
            column("source_format", Text(lens!(format)), "format of the source"),
            column("record_count", Count(lens!(records)), "frames, lines or entries"),
            column("byte_count", Count(lens!(bytes)), "bytes of the source, decompressed"),
            column(
                "fates",
                Counts(lens!(fates)),
                "frames by what became of them; of logs, bad lines by reason, and lines whose time jumps or was replaced",
            ),
            column(
                "dropped",
                Counts(lens!(dropped)),
                "frames lost before they were read, by where: ring_full, interface, kernel_backlog, handover",
            ),
            column("flow_count", Count(lens!(flows)), "connections"),
            column("gap_count", Count(lens!(gaps)), "holes in streams"),
            column("missing_bytes", Count(lens!(missing_bytes)), "bytes missing in holes"),
            column("exchanges", Counts(lens!(exchanges)), "exchanges by protocol"),
            column(
                "stream_bytes",
                Count(lens!(stream_bytes)),
                "bytes of streams: understood_bytes and unparsed_bytes together",
            ),
            column("understood_bytes", Count(lens!(understood_bytes)), "stream bytes that were understood"),
            column(
                "unparsed_bytes",
                Counts(lens!(unparsed_bytes)),
                "stream bytes not understood, by reason: tls (no keys), tls_unopened, upgraded, other_protocol, joined_midway, outside_messages, unknown_coding",
            ),
            column("anomalies", Counts(lens!(anomalies)), "oddities by kind"),
            column("first_seen", MaybeInstant(lens!(first_seen)), "first frame, line or entry"),
            column("last_seen", MaybeInstant(lens!(last_seen)), "last frame, line or entry"),
            column("damage", Text(lens!(damage)), "what was damaged; empty when nothing was"),
        ]
    }

    fn sort_key(&self) -> [&str; 4] {
        [&self.source, &self.format, "", ""]
    }
}

/// The name and version that a file's metadata give.
pub(super) fn schema_id<R: Table>() -> String {
    format!("{}/v{}", R::NAME, R::VERSION)
}

/// The schema of a table: the columns of every table, then its own.
#[must_use]
pub fn schema<R: Table>() -> Schema {
    let every = [
        ("sensor_id", DataType::Utf8, "sensor that observed"),
        ("run_id", DataType::Utf8, "digest of inputs and settings"),
        ("key_id", DataType::Utf8, "key under which callers are fingerprinted"),
        ("window_start", instant_type(), "first instant the row rests on"),
        ("window_end", instant_type(), "last instant the row rests on"),
        ("coverage", DataType::Float64, "share of what passed that was seen whole"),
    ];
    let every = every.map(|(name, kind, doc)| {
        Field::new(name, kind, false).with_metadata([("description".to_owned(), doc.to_owned())].into())
    });
    Schema::new(every.into_iter().chain(R::columns().iter().map(Column::field)).collect::<Vec<_>>())
}

/// Rows as a batch of the table's schema.
pub(super) fn to_batch<R: Table>(rows: &[R], origin: &Origin) -> RecordBatch {
    let repeat = |text: &str| columns::texts(std::iter::repeat_n(text, rows.len()));
    let mut arrays: Vec<ArrayRef> = vec![
        repeat(&origin.sensor),
        repeat(&origin.run),
        repeat(&origin.key_id),
        instants(rows.iter().map(|row| Some(row.window(origin).0))),
        instants(rows.iter().map(|row| Some(row.window(origin).1))),
        reals(std::iter::repeat_n(origin.coverage, rows.len())),
    ];
    arrays.extend(R::columns().iter().map(|column| column.array(rows)));
    RecordBatch::try_new(Arc::new(schema::<R>()), arrays).expect("columns and schema come of one definition")
}

/// Rows of a batch; columns that are missing keep their defaults.
pub(super) fn from_batch<R: Table>(batch: &RecordBatch) -> Result<Vec<Stored<R>>, WrongType> {
    let mut rows: Vec<R> = std::iter::repeat_with(R::default).take(batch.num_rows()).collect();
    for column in R::columns() {
        if let Some(array) = batch.column_by_name(column.name) {
            column.put(array.as_ref(), &mut rows)?;
        }
    }
    let texts = |name: &str| cast::<StringArray>(batch, name);
    let instants = |name: &str| cast::<TimestampMicrosecondArray>(batch, name);
    let (sensor, run, key_id) = (texts("sensor_id")?, texts("run_id")?, texts("key_id")?);
    let (start, end) = (instants("window_start")?, instants("window_end")?);
    let coverage: &Float64Array = cast(batch, "coverage")?;
    let stored = rows.into_iter().enumerate().map(|(at, mut row)| {
        let origin = Origin {
            sensor: text_at(sensor, at).to_owned(),
            run: text_at(run, at).to_owned(),
            key_id: text_at(key_id, at).to_owned(),
            window_start: instant_at(start, at).unwrap_or_default(),
            window_end: instant_at(end, at).unwrap_or_default(),
            coverage: if coverage.is_valid(at) { coverage.value(at) } else { 0.0 },
        };
        row.restore(origin.window_start);
        Stored { origin, row }
    });
    Ok(stored.collect())
}

fn cast<'a, A: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a A, WrongType> {
    let array = batch.column_by_name(name).and_then(|array| downcast(array.as_ref()));
    array.ok_or_else(|| WrongType(name.to_owned()))
}
