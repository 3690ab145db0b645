"""``app-config.js``: what the viewer is told about this server.

The keys are those of OHIF 3.13 (docs.ohif.org, "Configuration Files" and "DICOMweb"). Every
address is a path on this server, so that nothing is asked of, or told to, another host.
"""

import json
from typing import Any, Final

from sonoloop.viewer.release import BASE

DICOMWEB: Final = "/dicom-web"
PLUGIN: Final = f"{BASE}plugin"
DATA_SOURCE: Final = "dicomweb"

NOTICE: Final = "Sonoloop \N{MIDDLE DOT} research use, not a medical device"

DATA_SOURCE_SETTINGS: Final[dict[str, Any]] = {
    "friendlyName": "Sonoloop",
    "name": "sonoloop",
    "qidoRoot": DICOMWEB,
    "wadoRoot": DICOMWEB,
    "wadoUriRoot": DICOMWEB,
    "qidoSupportsIncludeField": True,  # else Orthanc leaves StudyDescription out
    "supportsReject": False,
    "supportsFuzzyMatching": False,
    "supportsWildcard": True,
    "imageRendering": "wadors",
    "thumbnailRendering": "wadors",
    "enableStudyLazyLoad": True,
    "omitQuotationForMultipartRequest": True,
    "dicomUploadEnabled": False,  # an annotation viewer puts no studies into a PACS
    "bulkDataURI": {"enabled": True, "relativeResolution": "studies"},
}

SETTINGS: Final[dict[str, Any]] = {
    "name": "sonoloop",
    "routerBasename": BASE.rstrip("/"),
    "showStudyList": True,
    "customizationService": {},
    "maxNumberOfWebWorkers": 2,
    "maxNumRequests": {"interaction": 20, "thumbnail": 5, "prefetch": 5},
    "showWarningMessageForCrossOrigin": False,
    "showCPUFallbackMessage": False,
    "showLoadingIndicator": True,
    "strictZSpacingForVolumeViewport": True,
    "groupEnabledModesFirst": True,
    # Its sentence speaks of another product; the notice in the header stays in sight instead.
    "investigationalUseDialog": {"option": "never"},
    "defaultDataSourceName": DATA_SOURCE,
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": DATA_SOURCE,
            "configuration": DATA_SOURCE_SETTINGS,
        }
    ],
}

_HEADER: Final = """\
window.config.whiteLabeling = {
  createLogoComponentFn: (React) =>
    React.createElement(
      'a',
      {
        href: '/', title: 'Dashboard', 'data-sonoloop': 'notice', className: 'text-white px-2',
// Two lines on a small screen, where one would lie under the tools.
        style: { display: 'block', maxWidth: '28vw', lineHeight: 1.2, whiteSpace: 'normal' },
      },
      %s,
    ),
};
"""

_EARLY: Final = f"""\
// The AI is asked while the viewer loads; whatever fails here is asked again, and told, later.
import('{PLUGIN}/early.js').catch(() => {{}});
"""


def app_config(*, with_extension: bool) -> str:
    """The script that tells the viewer where everything is.

    Args:
        with_extension: Whether our extension and mode are there to be loaded.
    """
    loaded = {
        "extensions": [f"{PLUGIN}/extension.js"] if with_extension else [],
        "modes": [f"{PLUGIN}/mode.js"] if with_extension else [],
    }
    settings = json.dumps(SETTINGS | loaded, indent=1)
    early = _EARLY if with_extension else ""
    return f"window.config = {settings};\n{_HEADER % json.dumps(NOTICE)}{early}"
