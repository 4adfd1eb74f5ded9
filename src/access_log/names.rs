//! The names that servers, proxies and clouds give the fields of their access logs.

/// The unit of a duration's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
    /// Its own suffix; else milliseconds for whole numbers and seconds for others.
    AsWritten,
}

/// What a field tells. Numbers rank those that tell the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Time(u8),
    Method,
    RequestLine,
    Target(u8),
    Query,
    Host(u8),
    Protocol,
    Scheme,
    Tls,
    Status(u8),
    RequestBytes,
    ResponseBytes(u8),
    Latency(u8, Unit),
    /// The client's socket.
    Client(u8),
    /// The client as the named field tells it.
    Forwarded(&'static str),
    ServerAddress,
    ServerPort,
    User,
    /// The scheme of `Authorization`, without what follows it.
    AuthorizationScheme,
    /// Whether a credential was there, in this field.
    Present(&'static str),
    /// What the server itself knows of the client's certificate, under the name of a header.
    Certificate(&'static str),
    /// An id that the server gave the call, under the name of a header.
    Id(&'static str),
    /// The client that a PROXY protocol header names.
    Proxied,
    RequestField(&'static str),
    ResponseField(&'static str),
}

/// The names in use by nginx, Apache, HAProxy, Envoy, Caddy, Traefik, Kong, cloud gateways, ECS and
/// OpenTelemetry, in lower case and without punctuation.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn meaning(name: &str) -> Option<Meaning> {
    use Meaning as M;
    Some(match name {
        "msec" | "starttime" | "startedat" | "startutc" | "startlocal" => M::Time(3),
        "ts" | "timestamp" | "time" | "timeiso8601" | "timelocal" | "datetime" | "eventtime"
        | "requesttimestamp" | "requesttimeepoch" | "requesttimeutc" | "receivedat" => M::Time(2),
        "date" | "t" => M::Time(1),
        "method" | "requestmethod" | "reqmethod" | "httpmethod" | "httprequestmethod" | "verb" => M::Method,
        "request" | "requestline" | "httprequest" => M::RequestLine,
        "requesturi" | "uripath" | "originalurl" | "originalpath" | "requesturl" | "urloriginal"
        | "requrl" => M::Target(3),
        "uri" | "url" | "target" | "requesttarget" | "urlfull" => M::Target(2),
        "path" | "requestpath" | "urlpath" | "httppath" | "resourcepath" | "downstreampath" => M::Target(1),
        "args" | "query" | "querystring" | "requestquery" | "urlquery" | "requestquerystring" => M::Query,
        "httphost" | "authority" | "requestheadershost" => M::Host(3),
        "host" | "hostname" | "requesthost" | "reqhost" | "vhost" | "virtualhost" | "domain"
        | "domainname" | "hostheader" | "urldomain" => M::Host(2),
        "servername"
        | "sn"
        | "serveraddress"
        | "sslservername"
        | "requestedservername"
        | "sni"
        | "tlssni" => M::Host(1),
        "protocol" | "serverprotocol" | "requestprotocol" | "requestproto" | "proto" | "httpversion" => {
            M::Protocol
        }
        "scheme" | "requestscheme" | "urlscheme" | "xforwardedproto" | "httpxforwardedproto" => M::Scheme,
        "sslprotocol" | "sslcipher" | "tlsversion" | "tlsprotocol" | "tlscipher" | "requesttlsversion"
        | "requesttlsproto" | "https" | "tls" => M::Tls,
        "status"
        | "statuscode"
        | "responsestatus"
        | "responsecode"
        | "httpstatus"
        | "httpstatuscode"
        | "downstreamstatus"
        | "responsestatuscode"
        | "httpresponsestatuscode"
        | "resstatus"
        | "rescode" => M::Status(2),
        "code" | "originstatus" | "upstreamstatus" => M::Status(1),
        "reqbytes"
        | "requestbodylen"
        | "requestbodylength"
        | "requestbodysize"
        | "requestbodybytes"
        | "requestsize"
        | "bytesreceived"
        | "httprequestbodybytes"
        | "httprequestbodysize"
        | "requestcontentsize"
        | "httpcontentlength"
        | "contentlength"
        | "bytesread"
        | "requestbytes" => M::RequestBytes,
        "bodybytessent"
        | "responsebodylen"
        | "bodybytes"
        | "responsebodysize"
        | "responsebodybytes"
        | "httpresponsebodybytes"
        | "httpresponsebodysize"
        | "senthttpcontentlength"
        | "downstreamcontentsize" => M::ResponseBytes(3),
        "bytes" | "size" | "responsesize" | "responselength" | "resbytes" | "length" | "responsebytes" => {
            M::ResponseBytes(2)
        }
        "bytessent" | "byteswritten" => M::ResponseBytes(1),
        "requesttime" | "rt" | "timetaken" | "requestduration" | "requesttimeseconds" | "durations"
        | "durationseconds" => M::Latency(3, Unit::Seconds),
        "requesttimems" | "durationms" | "latencyms" | "elapsedms" | "responsetimems"
        | "latenciesrequest" | "rtms" | "millis" => M::Latency(3, Unit::Millis),
        "requesttimeus" | "durationus" | "latencyus" | "durationmicros" => M::Latency(3, Unit::Micros),
        "durationns" | "eventduration" | "latencyns" => M::Latency(3, Unit::Nanos),
        "duration" | "latency" | "elapsed" | "responselatency" | "responsetime" | "took" => {
            M::Latency(2, Unit::AsWritten)
        }
        "upstreamresponsetime" | "urt" => M::Latency(1, Unit::Seconds),
        "remoteaddr"
        | "client"
        | "clientip"
        | "remoteip"
        | "clientaddr"
        | "clientaddress"
        | "clienthost"
        | "requestremoteip"
        | "requestremoteaddr"
        | "remoteaddress"
        | "remotehost"
        | "sourceip"
        | "ip"
        | "peer"
        | "downstreamremoteaddress"
        | "idorigh"
        | "srcip"
        | "reqremoteaddress" => M::Client(2),
        "xff" | "xforwardedfor" | "httpxforwardedfor" => M::Forwarded("X-Forwarded-For"),
        "realip" | "xrealip" | "httpxrealip" => M::Forwarded("X-Real-IP"),
        "serveraddr" | "serverip" | "idresph" | "destip" | "localaddr" | "downstreamlocaladdress" => {
            M::ServerAddress
        }
        "serverport" | "localport" | "idrespp" | "destport" => M::ServerPort,
        "sslclientsdn"
        | "sslclientsdnlegacy"
        | "sslcsdn"
        | "downstreampeersubject"
        | "tlsclientsubject"
        | "requesttlsclientsubject"
        | "tlsclientx509subjectdistinguishedname"
        | "identityclientcertsubjectdn"
        | "clientcertsubjectdn"
        | "leafclientcertsubject" => M::Certificate("ssl-client-s-dn"),
        "sslclientescapedcert"
        | "sslclientcert"
        | "sslclientrawcert"
        | "downstreampeercert"
        | "tlsclientcertificate"
        | "identityclientcertclientcertpem"
        | "clientcertpem" => M::Certificate("ssl-client-cert"),
        "sslclientsdncn" | "requesttlsclientcommonname" | "tlsclientcommonname" => {
            M::Certificate("ssl-client-s-dn-cn")
        }
        "downstreampeerurisan" => M::Certificate("x-ssl-client-uri-san"),
        "sslclientfingerprint" => M::Certificate("ssl-client-fingerprint"),
        "sslclientserial"
        | "sslcserial"
        | "downstreampeerserial"
        | "requesttlsclientserial"
        | "identityclientcertserialnumber"
        | "leafclientcertserialnumber" => M::Certificate("ssl-client-serial"),
        "sslclientverify" | "sslcverify" => M::Certificate("ssl-client-verify"),
        "proxyprotocoladdr" => M::Proxied,
        "requestid" | "reqid" | "correlationid" | "uniqueid" | "xrequestid" | "xcorrelationid" => {
            M::Id("x-request-id")
        }
        "interactionid" | "fapiinteractionid" | "xfapiinteractionid" => M::Id("x-fapi-interaction-id"),
        "traceid" => M::Id("trace-id"),
        "traceparent" => M::Id("traceparent"),
        "cfray" | "rayid" => M::Id("cf-ray"),
        "remoteuser" | "user" | "username" | "requestuser" | "clientusername" => M::User,
        "ua" | "useragent" | "agent" | "httpuseragent" | "requestuseragent" | "useragentoriginal" => {
            M::RequestField("User-Agent")
        }
        "referer" | "referrer" | "httpreferer" | "httpreferrer" | "requestreferer" => {
            M::RequestField("Referer")
        }
        "reqct" | "requestcontenttype" | "reqcontenttype" | "httpcontenttype" => {
            M::RequestField("Content-Type")
        }
        "auth" | "authorization" | "httpauthorization" | "requestauthorization" => {
            M::RequestField("Authorization")
        }
        "authorizationscheme" | "authscheme" => M::AuthorizationScheme,
        "apikeypresent" => M::Present("X-API-Key"),
        "sessioncookiepresent" => M::Present("Cookie"),
        "cookie" | "httpcookie" => M::RequestField("Cookie"),
        "ct"
        | "contenttype"
        | "mime"
        | "mimetype"
        | "mediatype"
        | "responsecontenttype"
        | "rescontenttype"
        | "senthttpcontenttype"
        | "upstreamhttpcontenttype"
        | "downstreamcontenttype" => M::ResponseField("Content-Type"),
        "location" | "senthttplocation" => M::ResponseField("Location"),
        _ => return None,
    })
}
