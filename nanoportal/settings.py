"""The one settings file; values come from the environment (`env.py`), nothing is decided here."""

import sys
from pathlib import Path

from nanoportal import env as environment
from nanoportal.broker import broker_urls

try:
    ENV = environment.load_env()
    DATABASES = {"default": environment.database(ENV.database_url)}
except environment.EnvironmentProblem as problem:
    sys.exit(f"NanoPortal does not start: {problem}")

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = ENV.data
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
BOARDS_DIR = ENV.boards
IMAGE_QUOTA_BYTES = ENV.image_quota_bytes
SWITCH_SCANS_BY_ITSELF = ENV.switch_scan == "auto"
IMPORT_DIR = ENV.import_dir
TIME_SCALE = ENV.time_scale
WORKER_NAME = ENV.worker
WORKER_KIND = ENV.worker_kind

SECRET_KEY = environment.secret_key(DATA_DIR)
AUDIT_KEY = environment.key_file(DATA_DIR, "audit.key")
DEBUG = ENV.debug
ALLOWED_HOSTS = list(ENV.allowed_hosts)
TRUSTED_PROXIES = ENV.trusted_proxies  # whose X-Forwarded-... headers count: nanoportal/proxies.py

INSTALLED_APPS = [
    "accounts",  # before Django's, whose commands about people it puts on record
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_htmx",
    "ninja",  # so that the API's pages use the files it ships, and nobody else's
    "operations",
    "reservations",
    "slots",
    "consoles",
    "images",
    "flashing",
    "switch",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "nanoportal.headers.PageHeaders",
    "nanoportal.methods.PageMethods",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "nanoportal.actor.ActorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "operations.http.RefusalMiddleware",
    "nanoportal.sight.SightMiddleware",
    "accounts.recent.RecentMiddleware",
]
ROOT_URLCONF = "nanoportal.urls"
ASGI_APPLICATION = "nanoportal.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "nanoportal.context.navigation",
                "nanoportal.context.untold",
                "nanoportal.context.tampered",
            ],
            "builtins": ["nanoportal.presentation"],
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",  # the API's pages come with their package
                    ],
                ),
            ],
        },
    }
]

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "accounts.passwords.GreatestLengthValidator"},
    {"NAME": "accounts.passwords.VarietyValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "accounts.passwords.DressedWordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
SESSION_ENGINE = "accounts.session_store"  # rows that know whose they are and where from
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_SAVE_EVERY_REQUEST = False
CSRF_COOKIE_SAMESITE = "Lax"
# With TLS of our own only: behind a proxy that ends TLS, HSTS is the proxy's to say, and its port may have both.
TLS = ENV.tls
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = TLS.is_on
# Browsers hold to it for so long. With our own authority a day: it may be made anew, and then nobody gets past.
SECURE_HSTS_SECONDS = (86400 if TLS.is_own else 365 * 86400) if TLS.is_on else 0
CSRF_FAILURE_VIEW = "accounts.views.failures.csrf_failure"
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
# The web server refuses bodies over 9 MiB while they arrive (nanoportal.web); this is the form parser's own bound.
DATA_UPLOAD_MAX_MEMORY_SIZE = 9 * 1024 * 1024

LANGUAGE_CODE = "en-gb"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
# What `make` fetched for the console pages (nanoportal/terminal_files.py) lies beside our own files.
STATICFILES_DIRS = [BASE_DIR / "static", ("terminal", BASE_DIR / "terminal")]
# Nothing is collected: whitenoise finds the files where they lie.
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600
WHITENOISE_ALLOW_ALL_ORIGINS = False  # pages of others have no use for them

BROKER = broker_urls(DATA_DIR, ENV.redis_url, ENV.journal_url)
JOURNAL_URL = BROKER.journal
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [BROKER.channels]}}
}
CELERY_BROKER_URL = BROKER.celery

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "filters": {"briefly": {"()": "nanoportal.logs.Briefly"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["briefly"]}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {"django.request": {"level": "ERROR"}, "nanoportal": {"level": "INFO"}},
}
