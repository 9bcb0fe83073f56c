"""The DIMSE messages of one association that a peer has opened (PS3.7): command sets and data sets put together, handed to
the `Receiver`, and answered."""

from __future__ import annotations

from pynetdicom.presentation import PresentationContext

from dicom_nodes import dimse, upper_layer
from dicom_nodes.receiver import Event, Incoming, Receiver, StoreAnswer, StoreRequest
from dicom_nodes.roles import AssociationInfo
from dicom_nodes.status import INVALID_ARGUMENT, SUCCESS, UNRECOGNISED_OPERATION
from dicom_nodes.upper_layer import Pdv, ProtocolError, Wire

MAX_EVENT = 1 << 20  # bytes of the data set of an N-EVENT-REPORT; one about a thousand instances has a fifth of it


class Exchange:
    """The DIMSE messages of one association, in order: one command, then its data set, then the response."""

    def __init__(
        self, wire: Wire, receiver: Receiver, association: AssociationInfo, contexts: dict[int, PresentationContext]
    ) -> None:
        self._wire, self._receiver, self._association, self._contexts = wire, receiver, association, contexts
        self._command_bytes = b""
        self._context_id = 0
        self._command: dimse.Command | None = None
        self._incoming: Incoming | None = None
        self._information = b""

    @property
    def is_idle(self) -> bool:
        """Whether no message is half received."""
        return self._command is None and not self._command_bytes

    def take(self, value: Pdv) -> None:
        """The next presentation data value."""
        if value.context_id not in self._contexts:
            raise ProtocolError(
                f"a PDV on presentation context {value.context_id}, which was not accepted",
                upper_layer.INVALID_PARAMETER,
            )
        if value.is_command:
            self._take_command(value)
        else:
            self._take_data(value)

    def give_up(self) -> None:
        """The association is over; what is half received is discarded."""
        if self._incoming is not None:
            self._incoming.discard()
            self._incoming = None

    def _take_command(self, value: Pdv) -> None:
        if self._command is not None:
            raise ProtocolError("a command set in the middle of a data set", upper_layer.INVALID_PARAMETER)
        self._command_bytes += value.fragment
        if len(self._command_bytes) > dimse.MAX_COMMAND_SET:
            raise ProtocolError("a command set that does not end", upper_layer.INVALID_PARAMETER)
        if not value.is_last:
            return
        command = dimse.decode_command(self._command_bytes)
        self._command_bytes, self._context_id = b"", value.context_id
        if command.field == dimse.C_CANCEL_RQ:
            return  # nothing of ours can be cancelled, and a C-CANCEL has no response (PS3.7 9.3.2.3)
        self._command = command
        if command.field == dimse.C_STORE_RQ:
            self._incoming = self._receiver.begin(self._association, self._request(command))
        if not command.has_data_set:
            self._conclude()

    def _take_data(self, value: Pdv) -> None:
        if self._command is None or value.context_id != self._context_id:
            raise ProtocolError("a data set fragment without its command", upper_layer.INVALID_PARAMETER)
        if self._incoming is not None:
            self._incoming.write(value.fragment)
        elif self._command.field == dimse.N_EVENT_REPORT_RQ:
            self._information += value.fragment
            if len(self._information) > MAX_EVENT:
                raise ProtocolError(f"an N-EVENT-REPORT of more than {MAX_EVENT} bytes", upper_layer.INVALID_PARAMETER)
        if value.is_last:
            self._conclude()

    def _conclude(self) -> None:
        command, incoming = self._command, self._incoming
        assert command is not None
        self._command = self._incoming = None
        if incoming is not None:
            answer = incoming.finish()
        elif command.field == dimse.C_ECHO_RQ:
            answer = StoreAnswer(SUCCESS)
        elif command.field == dimse.N_EVENT_REPORT_RQ:
            answer = self._event(command)
        else:
            answer = StoreAnswer(UNRECOGNISED_OPERATION)
        self._wire.send_command(self._context_id, dimse.encode_response(command, answer.status, answer.comment))

    def _event(self, command: dimse.Command) -> StoreAnswer:
        context, information = self._contexts[self._context_id], self._information
        self._information = b""
        if command.sop_class_uid != context.abstract_syntax:
            return StoreAnswer(INVALID_ARGUMENT, "SOP class is not that of the presentation context")
        event = Event(
            sop_class_uid=command.sop_class_uid,
            sop_instance_uid=command.sop_instance_uid,
            event_type=command.event_type,
            transfer_syntax_uid=str(context.transfer_syntax[0]),
            information=information,
        )
        return self._receiver.event(self._association, event)

    def _request(self, command: dimse.Command) -> StoreRequest:
        context = self._contexts[self._context_id]
        return StoreRequest(
            sop_class_uid=command.sop_class_uid,
            sop_instance_uid=command.sop_instance_uid,
            transfer_syntax_uid=str(context.transfer_syntax[0]),
            context_sop_class_uid=str(context.abstract_syntax),
            move_originator_ae_title=command.move_originator_ae_title,
        )
