//! The kinds of findings: their stable names, what each means, and the standards they touch.

/// What kind of conclusion a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An endpoint that no document names.
    ShadowEndpoint,
    /// A host that serves an API and that no document names.
    UndocumentedHost,
    /// A method that no document names, on a path that one does.
    UndocumentedMethod,
    /// An operation that is still called though it is marked for retirement.
    DeprecatedInUse,
    /// An operation that a document names and nobody called.
    UnusedOperation,
    /// A document of which no operation was called.
    UnusedDocument,
    /// A status that the document does not name for its operation.
    UndocumentedStatus,
    /// A query parameter that the document does not name.
    UndocumentedQueryParam,
    /// A property in answers that the document does not name.
    UndocumentedResponseProperty,
    /// A value in answers of another type than the document says.
    ResponseTypeMismatch,
    /// A property that answers must have and lack.
    MissingRequiredProperty,
    /// A property in requests that the document does not name.
    UndocumentedRequestProperty,
    /// A media type of answers that the document does not name.
    UndocumentedResponseMediaType,
    /// A media type of requests that the document does not name.
    UndocumentedRequestMediaType,
    /// A parameter, or a property of requests, that is still sent though it is marked for retirement.
    DeprecatedParameterInUse,
    /// Requests without any credential that were answered though the document demands one.
    SecurityNotEnforced,
    /// Sensitive data in answers to requests without any credential.
    UnauthenticatedSensitiveData,
    /// Sensitive data in a path or query, where logs and caches keep it.
    SensitiveDataInUrl,
    /// Sensitive data on connections that were seen without TLS.
    SensitiveDataOverHttp,
    /// Calls seen further in that no vantage further out had, though calls of the same endpoint come that way.
    GatewayBypass,
    /// The same exchanges told differently at two vantages.
    VantageDisagreement,
    /// A service that agrees on an old version of TLS or a weak cipher suite.
    WeakTls,
    /// A certificate that was shown after its end.
    CertificateExpired,
    /// A certificate that ends soon after it was last shown.
    CertificateExpiring,
    /// GraphQL that was asked for its schema.
    GraphqlIntrospection,
    /// A server tells anybody its gRPC services and messages.
    GrpcReflection,
    /// An older version of an operation that is called though a newer one answers.
    OldVersionInUse,
    /// A service or endpoint of which nobody tells who owns it.
    Unowned,
    /// A service or endpoint of which nobody tells who may reach it, or which rules its data fall under.
    Unclassified,
    /// What proves that a caller has a card: its verification code, PIN or track.
    CardAuthenticationData,
    /// Sensitive data in answers that tell of an error.
    SensitiveDataInError,
    /// Sensitive data in answers whose document does not tell of it.
    UndocumentedSensitiveData,
    /// Sensitive data that came to an endpoint long known.
    NewSensitiveData,
    /// Far more kinds of personal data in answers than others of the same capability give.
    ExcessiveDataExposure,
    /// An endpoint that is called after the day it was to be gone.
    CalledAfterSunset,
    /// An endpoint that is called again after it was dormant or retired.
    Resurrected,
    /// An end that is announced later than its owner's policy wants.
    ShortNotice,
    /// The same API differs between two environments.
    EnvironmentDrift,
    /// An endpoint that is answered on a host of a gateway, and that none of its routes takes.
    UnroutedEndpoint,
    /// An endpoint whose answers lack a policy that nearly all others of its host state, or loosen what they do not.
    PolicyGap,
    /// Sensitive data in answers that caches of many users may keep.
    SensitiveDataCacheable,
    /// A level of service that was agreed on and is not kept.
    SlaMissed,
    /// A value in answers that lacks the format which the document says it has.
    ResponseFormatMismatch,
    /// A value in answers that is none of those which the document enumerates.
    ResponseEnumMismatch,
    /// A query parameter that requests must have and lacked, and were answered with success.
    MissingRequiredParameter,
    /// Credentials of another kind than the document asks for, with which requests were answered with success.
    SecuritySchemeMismatch,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 46] = [
        Self::ShadowEndpoint,
        Self::UndocumentedHost,
        Self::UndocumentedMethod,
        Self::DeprecatedInUse,
        Self::UnusedOperation,
        Self::UnusedDocument,
        Self::UndocumentedStatus,
        Self::UndocumentedQueryParam,
        Self::UndocumentedResponseProperty,
        Self::ResponseTypeMismatch,
        Self::MissingRequiredProperty,
        Self::UndocumentedRequestProperty,
        Self::UndocumentedResponseMediaType,
        Self::UndocumentedRequestMediaType,
        Self::DeprecatedParameterInUse,
        Self::SecurityNotEnforced,
        Self::UnauthenticatedSensitiveData,
        Self::SensitiveDataInUrl,
        Self::SensitiveDataOverHttp,
        Self::GatewayBypass,
        Self::VantageDisagreement,
        Self::WeakTls,
        Self::CertificateExpired,
        Self::CertificateExpiring,
        Self::GraphqlIntrospection,
        Self::GrpcReflection,
        Self::OldVersionInUse,
        Self::Unowned,
        Self::Unclassified,
        Self::CardAuthenticationData,
        Self::SensitiveDataInError,
        Self::UndocumentedSensitiveData,
        Self::NewSensitiveData,
        Self::ExcessiveDataExposure,
        Self::CalledAfterSunset,
        Self::Resurrected,
        Self::ShortNotice,
        Self::EnvironmentDrift,
        Self::UnroutedEndpoint,
        Self::PolicyGap,
        Self::SensitiveDataCacheable,
        Self::SlaMissed,
        Self::ResponseFormatMismatch,
        Self::ResponseEnumMismatch,
        Self::MissingRequiredParameter,
        Self::SecuritySchemeMismatch,
    ];

    /// The stable name: snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShadowEndpoint => "shadow_endpoint",
            Self::UndocumentedHost => "undocumented_host",
            Self::UndocumentedMethod => "undocumented_method",
            Self::DeprecatedInUse => "deprecated_in_use",
            Self::UnusedOperation => "unused_operation",
            Self::UnusedDocument => "unused_document",
            Self::UndocumentedStatus => "undocumented_status",
            Self::UndocumentedQueryParam => "undocumented_query_param",
            Self::UndocumentedResponseProperty => "undocumented_response_property",
            Self::ResponseTypeMismatch => "response_type_mismatch",
            Self::MissingRequiredProperty => "missing_required_property",
            Self::UndocumentedRequestProperty => "undocumented_request_property",
            Self::UndocumentedResponseMediaType => "undocumented_response_media_type",
            Self::UndocumentedRequestMediaType => "undocumented_request_media_type",
            Self::DeprecatedParameterInUse => "deprecated_parameter_in_use",
            Self::SecurityNotEnforced => "security_not_enforced",
            Self::UnauthenticatedSensitiveData => "unauthenticated_sensitive_data",
            Self::SensitiveDataInUrl => "sensitive_data_in_url",
            Self::SensitiveDataOverHttp => "sensitive_data_over_http",
            Self::GatewayBypass => "gateway_bypass",
            Self::VantageDisagreement => "vantage_disagreement",
            Self::WeakTls => "weak_tls",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateExpiring => "certificate_expiring",
            Self::GraphqlIntrospection => "graphql_introspection",
            Self::GrpcReflection => "grpc_reflection",
            Self::OldVersionInUse => "old_version_in_use",
            Self::Unowned => "unowned",
            Self::Unclassified => "unclassified",
            Self::CardAuthenticationData => "card_authentication_data",
            Self::SensitiveDataInError => "sensitive_data_in_error",
            Self::UndocumentedSensitiveData => "undocumented_sensitive_data",
            Self::NewSensitiveData => "new_sensitive_data",
            Self::ExcessiveDataExposure => "excessive_data_exposure",
            Self::CalledAfterSunset => "called_after_sunset",
            Self::Resurrected => "resurrected",
            Self::ShortNotice => "short_notice",
            Self::EnvironmentDrift => "environment_drift",
            Self::UnroutedEndpoint => "unrouted_endpoint",
            Self::PolicyGap => "policy_gap",
            Self::SensitiveDataCacheable => "sensitive_data_cacheable",
            Self::SlaMissed => "sla_missed",
            Self::ResponseFormatMismatch => "response_format_mismatch",
            Self::ResponseEnumMismatch => "response_enum_mismatch",
            Self::MissingRequiredParameter => "missing_required_parameter",
            Self::SecuritySchemeMismatch => "security_scheme_mismatch",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The standards it touches.
    #[must_use]
    pub const fn references(self) -> &'static [&'static str] {
        match self {
            Self::UnroutedEndpoint => &["OWASP-API9:2023", "OWASP-API8:2023"],
            Self::PolicyGap => &["OWASP-API8:2023"],
            Self::SensitiveDataCacheable => &["OWASP-API8:2023", "RFC9111"],
            Self::ShadowEndpoint | Self::UndocumentedHost => &["OWASP-API9:2023", "PCI-DSS-4.0.1:6.3.2"],
            Self::UndocumentedMethod => &["OWASP-API9:2023", "OWASP-API5:2023"],
            Self::CalledAfterSunset | Self::ShortNotice => &["OWASP-API9:2023", "RFC8594"],
            Self::DeprecatedInUse => &["OWASP-API9:2023", "RFC9745", "RFC8594"],
            Self::UnusedOperation
            | Self::UnusedDocument
            | Self::DeprecatedParameterInUse
            | Self::OldVersionInUse
            | Self::Resurrected => &["OWASP-API9:2023"],
            Self::SlaMissed => &["ISO-27001:2022:A.5.22"],
            Self::Unowned => &["OWASP-API9:2023", "DORA:8"],
            Self::Unclassified => &["OWASP-API9:2023", "ISO-27001:2022:A.5.12"],
            Self::EnvironmentDrift
            | Self::UndocumentedStatus
            | Self::UndocumentedResponseMediaType
            | Self::UndocumentedRequestMediaType => &["OWASP-API8:2023"],
            Self::UndocumentedQueryParam | Self::UndocumentedRequestProperty => {
                &["OWASP-API3:2023", "CWE-915"]
            }
            Self::UndocumentedResponseProperty => &["OWASP-API3:2023", "CWE-213"],
            Self::ResponseTypeMismatch
            | Self::ResponseFormatMismatch
            | Self::ResponseEnumMismatch
            | Self::MissingRequiredParameter
            | Self::MissingRequiredProperty => &["OWASP-API9:2023"],
            Self::SecuritySchemeMismatch => &["OWASP-API2:2023"],
            Self::SecurityNotEnforced | Self::UnauthenticatedSensitiveData => &["OWASP-API2:2023", "CWE-306"],
            Self::SensitiveDataInUrl => &["OWASP-API8:2023", "CWE-598"],
            Self::GatewayBypass => &["OWASP-API9:2023", "OWASP-API5:2023", "CWE-288"],
            Self::VantageDisagreement => &["OWASP-API8:2023"],
            Self::WeakTls => &["OWASP-API8:2023", "CWE-327", "RFC8996", "RFC9325", "PCI-DSS-4.0.1:4.2.1"],
            Self::CertificateExpired => &["OWASP-API8:2023", "CWE-298", "PCI-DSS-4.0.1:4.2.1"],
            Self::CertificateExpiring => &["OWASP-API8:2023", "PCI-DSS-4.0.1:4.2.1"],
            Self::GraphqlIntrospection => &["OWASP-API8:2023", "CWE-497"],
            Self::GrpcReflection => &["OWASP-API8:2023", "OWASP-API9:2023"],
            Self::CardAuthenticationData => &["PCI-DSS-4.0.1:3.3.1", "OWASP-API3:2023", "CWE-312"],
            Self::SensitiveDataInError => &["OWASP-API8:2023", "CWE-209"],
            Self::UndocumentedSensitiveData | Self::NewSensitiveData => {
                &["OWASP-API3:2023", "OWASP-API9:2023", "CWE-213"]
            }
            Self::ExcessiveDataExposure => &["OWASP-API3:2023", "CWE-213"],
            Self::SensitiveDataOverHttp => &["OWASP-API8:2023", "CWE-319", "PCI-DSS-4.0.1:4.2.1"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_a_reference() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
            assert!(!kind.references().is_empty(), "{}", kind.name());
        }
    }
}
