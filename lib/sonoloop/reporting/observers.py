"""Who a document is by (TID 1001): this program, and the reader who used it."""

from highdicom import sr

from sonoloop.imaging.write_dicom import IMPLEMENTATION_UID
from sonoloop.reporting import codes
from sonoloop.reporting.identity import MANUFACTURER, MODEL_NAME, SERIAL_NUMBER, person_name
from sonoloop.reporting.reading import Reading


def our_device() -> sr.ObserverContext:
    """This program as an observer."""
    return sr.ObserverContext(
        observer_type=sr.CodedConcept.from_code(codes.DEVICE),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=IMPLEMENTATION_UID,
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=MODEL_NAME,
            serial_number=SERIAL_NUMBER,
        ),
    )


def observers_of(reading: Reading) -> sr.ObservationContext:
    """Who said what is in a report: of a draft the program alone, else the reader with it."""
    device = our_device()
    if reading.state == "draft":
        return sr.ObservationContext(observer_device_context=device)
    person = sr.ObserverContext(
        observer_type=sr.CodedConcept.from_code(codes.PERSON),
        observer_identifying_attributes=sr.PersonObserverIdentifyingAttributes(
            name=person_name(reading.reader), login_name=reading.reader
        ),
    )
    return sr.ObservationContext(observer_person_context=person, observer_device_context=device)
