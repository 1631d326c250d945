//! Calls of services that are known by their description alone.

use prost_reflect::prost::Message as _;
use prost_reflect::prost::bytes::Buf;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status, Streaming};

use crate::door::{Channel, Services};

/// Calls a method that answers once.
pub async fn once(
    services: &Services,
    method: &MethodDescriptor,
    request: DynamicMessage,
) -> Result<DynamicMessage, Status> {
    let mut client = client(services).await;
    let answered = client
        .unary(Request::new(request), path(method), Dynamic(method.output()))
        .await?;
    Ok(answered.into_inner())
}

/// Calls a method that answers with a stream.
pub async fn stream(
    services: &Services,
    method: &MethodDescriptor,
    request: DynamicMessage,
) -> Result<Streaming<DynamicMessage>, Status> {
    let mut client = client(services).await;
    let codec = Dynamic(method.output());
    let answered = client
        .server_streaming(Request::new(request), path(method), codec)
        .await?;
    Ok(answered.into_inner())
}

async fn client(services: &Services) -> Grpc<Channel> {
    let mut client = Grpc::new(services.channel()).max_decoding_message_size(wire::MAX_MESSAGE_BYTES);
    let Ok(()) = client.ready().await;
    client
}

fn path(method: &MethodDescriptor) -> PathAndQuery {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    PathAndQuery::try_from(path).expect("names are fine in an address")
}

/// Messages on the wire, by the description of what comes back.
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = ToWire;
    type Decoder = FromWire;

    fn encoder(&mut self) -> ToWire {
        ToWire
    }

    fn decoder(&mut self) -> FromWire {
        FromWire(self.0.clone())
    }
}

struct ToWire;

impl Encoder for ToWire {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message
            .encode(buffer)
            .map_err(|error| Status::internal(format!("a request could not be encoded: {error}")))
    }
}

struct FromWire(MessageDescriptor);

impl Decoder for FromWire {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        DynamicMessage::decode(self.0.clone(), bytes)
            .map(Some)
            .map_err(|error| Status::internal(format!("an answer could not be decoded: {error}")))
    }
}
