"""Invitations, password rules and settings to messages and back."""

from chassis.errors import Invalid
from chassis.etags import etag
from chassis.names import make_name
from crm.identity.v1 import account_pb2

from identity import mapping
from identity.effective import EffectivePermission
from identity.model import StoredPasswordRules, User, UserSettings
from identity.password_rules import CharacterClass
from identity.settings import Channel, SettingsDraft, Switch
from identity.usecases.invite_user import Invitation

_CLASSES = {kind: account_pb2.CharacterClass.Value(f"CHARACTER_CLASS_{kind}") for kind in CharacterClass}
_CLASS_OF = {value: kind for kind, value in _CLASSES.items()}
_CHANNELS = {kind: account_pb2.NotificationChannel.Value(f"NOTIFICATION_CHANNEL_{kind}") for kind in Channel}
_CHANNEL_OF = {value: kind for kind, value in _CHANNELS.items()}


def invitation_to_proto(invitation: Invitation) -> account_pb2.Invitation:
    """An invitation as the inviter sees it."""
    return account_pb2.Invitation(
        user=mapping.user_to_proto(invitation.user),
        mailed=invitation.mailed,
        activation_link=invitation.link,
        expire_time=mapping.timestamp(invitation.token.expire_time),
    )


def rules_to_proto(stored: StoredPasswordRules) -> account_pb2.PasswordRules:
    """The password rules as clients see them."""
    return account_pb2.PasswordRules(
        min_length=stored.min_length,
        required_classes=[_CLASSES[CharacterClass(value)] for value in stored.required_classes],
        history_count=stored.history_count,
        expire_days=stored.expire_days,
        etag=etag(stored.version),
    )


def rules_draft(message: account_pb2.PasswordRules) -> dict[str, object]:
    """What a client wants of passwords, by field. Raises Invalid for a kind of characters that does not exist."""
    if any(value not in _CLASS_OF for value in message.required_classes):
        raise Invalid("INVALID_PASSWORD_RULES", "there is no such kind of characters", field="required_classes")
    return {
        "min_length": message.min_length,
        "required_classes": tuple(dict.fromkeys(_CLASS_OF[value] for value in message.required_classes)),
        "history_count": message.history_count,
        "expire_days": message.expire_days,
    }


def settings_to_proto(user: User, settings: UserSettings) -> account_pb2.UserSettings:
    """A user's settings as their clients see them."""
    switches = [Switch.from_json(item) for item in settings.switches]
    return account_pb2.UserSettings(
        locale=user.locale,
        time_zone=settings.time_zone,
        notification_switches=[
            account_pb2.NotificationSwitch(kind=item.kind, channel=_CHANNELS[item.channel], enabled=item.enabled)
            for item in switches
        ],
        web_layout=settings.web_layout,
        mobile_layout=settings.mobile_layout,
        etag=etag(settings.version),
    )


def settings_draft(message: account_pb2.UserSettings) -> SettingsDraft:
    """What a client says of settings. Raises Invalid for a channel that does not exist."""
    for index, item in enumerate(message.notification_switches):
        if item.channel not in _CHANNEL_OF:
            at = f"notification_switches[{index}].channel"
            raise Invalid("INVALID_CHANNEL", "say by which channel", field=at)
    return SettingsDraft(
        locale=message.locale,
        time_zone=message.time_zone,
        switches=tuple(
            Switch(item.kind, _CHANNEL_OF[item.channel], item.enabled) for item in message.notification_switches
        ),
        web_layout=message.web_layout,
        mobile_layout=message.mobile_layout,
    )


def permission_to_proto(permission: EffectivePermission) -> account_pb2.EffectivePermission:
    """What a permission reaches for the caller."""
    return account_pb2.EffectivePermission(
        permission=permission.permission,
        scopes=[mapping.scope_to_proto(reach) for reach in permission.reaches],
        departments=[make_name("departments", key) for key in permission.departments],
    )
