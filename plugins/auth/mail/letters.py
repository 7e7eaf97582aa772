"""The letters, in English and Spanish. What is in braces is filled in when one is sent."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from typing import NamedTuple


class Letter(NamedTuple):
    subject: str
    text: str


ENGLISH = {
    "verify": Letter(
        "Confirm your e-mail address",
        "Welcome. Please confirm that this address is yours:\n\n{link}\n\n"
        "The link works once, for a day. If you did not make an account, do not follow it.",
    ),
    "known": Letter(
        "You have an account already",
        "Somebody, perhaps you, tried to make an account with this address, which has one. "
        "To log in:\n\n{link}\n\nIf it was not you, there is nothing to do.",
    ),
    "reset": Letter(
        "Choose a new password",
        "To choose a new password:\n\n{link}\n\n"
        "The link works once, for half an hour. If you did not ask for it, there is nothing to do.",
    ),
    "welcome": Letter(
        "You have an account now",
        "Somebody has made an account for you. To choose a password for it:\n\n{link}\n\n"
        "The link works once, for a day; after that, ask for another one where you log in.",
    ),
    "nobody": Letter(
        "No account with this address",
        "Somebody, perhaps you, asked for a new password, but there is no account with this "
        "address. To make one:\n\n{link}\n\nIf it was not you, there is nothing to do.",
    ),
    "change": Letter(
        "Confirm your new e-mail address",
        "To use this address for your account from now on:\n\n{link}\n\n"
        "The link works once, for a day. If you did not ask for it, do not follow it.",
    ),
    "changing": Letter(
        "Your e-mail address is about to change",
        "Somebody who is logged in to your account asked for another e-mail address. If it was "
        "not you, choose a new password at once:\n\n{link}",
    ),
    "changed": Letter(
        "Your e-mail address has changed",
        "Your account has another e-mail address now, and this one no longer logs in.\n\n{link}",
    ),
    "password": Letter(
        "Your password has changed",
        "The password of your account was changed, and all other sessions were ended. If it was "
        "not you, choose a new one at once:\n\n{link}",
    ),
    "factor": Letter(
        "Your second factor has changed",
        "The second factor of your account was set up, changed or removed. If it was not you, "
        "choose a new password at once:\n\n{link}",
    ),
    "invite": Letter(
        "You are invited to an organisation",
        "Somebody invites you to join their organisation. To see which, and to accept or "
        "decline:\n\n{link}\n\nIt takes an account with this address. If you do not expect an "
        "invitation, there is nothing to do.",
    ),
    "passkey_added": Letter(
        "A passkey was added to your account",
        "With it, its device logs in to your account. If it was not you, choose a new password "
        "at once and remove it:\n\n{link}",
    ),
    "passkey_removed": Letter(
        "A passkey of your account was removed",
        "It no longer logs in to your account. If it was not you, choose a new password at "
        "once:\n\n{link}",
    ),
    "guessed": Letter(
        "Somebody tries to log in to your account",
        "Wrong passwords were sent for your account, so many that it takes a pause. If it was not "
        "you, there is nothing to do while nobody else knows your password, and a second factor "
        "makes you safer still. To choose a new one, which also ends the pause:\n\n{link}",
    ),
    "halfway": Letter(
        "Somebody may know your password",
        "The password of your account was followed by wrong codes, so many that it takes a pause. "
        "If it was not you, choose a new password at once:\n\n{link}",
    ),
    "ending": Letter(
        "An API key of yours ends soon",
        "It ends in a week, and programs that have it are refused then. To see which it is and to "
        "make another:\n\n{link}",
    ),
    "identity": Letter(
        "The ways to log in to your account have changed",
        "An identity of another provider was connected to your account or disconnected from it. "
        "If it was not you, choose a new password at once, and look at your account:\n\n{link}",
    ),
}
SPANISH = {
    "verify": Letter(
        "Confirma tu correo electrónico",
        "Te damos la bienvenida. Confirma que esta dirección es tuya:\n\n{link}\n\n"
        "El enlace sirve una vez, durante un día. Si no has creado una cuenta, no lo abras.",
    ),
    "known": Letter(
        "Ya tienes una cuenta",
        "Alguien, quizá tú, intentó crear una cuenta con esta dirección, que ya tiene una. "
        "Para entrar:\n\n{link}\n\nSi no fuiste tú, no tienes que hacer nada.",
    ),
    "reset": Letter(
        "Elige una contraseña nueva",
        "Para elegir una contraseña nueva:\n\n{link}\n\n"
        "El enlace sirve una vez, durante media hora. Si no lo pediste, no tienes que hacer nada.",
    ),
    "welcome": Letter(
        "Ya tienes una cuenta",
        "Alguien ha creado una cuenta para ti. Para elegir su contraseña:\n\n{link}\n\n"
        "El enlace sirve una vez, durante un día; después, pide otro donde se inicia la sesión.",
    ),
    "nobody": Letter(
        "No hay ninguna cuenta con esta dirección",
        "Alguien, quizá tú, pidió una contraseña nueva, pero no hay ninguna cuenta con esta "
        "dirección. Para crear una:\n\n{link}\n\nSi no fuiste tú, no tienes que hacer nada.",
    ),
    "change": Letter(
        "Confirma tu nuevo correo electrónico",
        "Para usar esta dirección en tu cuenta a partir de ahora:\n\n{link}\n\n"
        "El enlace sirve una vez, durante un día. Si no lo pediste, no lo abras.",
    ),
    "changing": Letter(
        "Tu correo electrónico va a cambiar",
        "Alguien con la sesión iniciada en tu cuenta pidió otro correo electrónico. Si no fuiste "
        "tú, elige enseguida una contraseña nueva:\n\n{link}",
    ),
    "changed": Letter(
        "Tu correo electrónico ha cambiado",
        "Tu cuenta tiene ahora otro correo electrónico, y con este ya no se entra.\n\n{link}",
    ),
    "password": Letter(
        "Tu contraseña ha cambiado",
        "Se cambió la contraseña de tu cuenta y se cerraron las demás sesiones. Si no fuiste tú, "
        "elige enseguida una nueva:\n\n{link}",
    ),
    "factor": Letter(
        "Tu segundo factor ha cambiado",
        "Se activó, cambió o quitó el segundo factor de tu cuenta. Si no fuiste tú, elige "
        "enseguida una contraseña nueva:\n\n{link}",
    ),
    "invite": Letter(
        "Te invitan a una organización",
        "Alguien te invita a unirte a su organización. Para ver a cuál, y aceptar o rechazar:"
        "\n\n{link}\n\nHace falta una cuenta con esta dirección. Si no esperas ninguna "
        "invitación, no tienes que hacer nada.",
    ),
    "passkey_added": Letter(
        "Se añadió una llave de acceso a tu cuenta",
        "Con ella su dispositivo entra en tu cuenta. Si no fuiste tú, elige enseguida una "
        "contraseña nueva y quítala:\n\n{link}",
    ),
    "passkey_removed": Letter(
        "Se quitó una llave de acceso de tu cuenta",
        "Ya no sirve para entrar en tu cuenta. Si no fuiste tú, elige enseguida una contraseña "
        "nueva:\n\n{link}",
    ),
    "guessed": Letter(
        "Alguien intenta entrar en tu cuenta",
        "Se enviaron contraseñas erróneas para tu cuenta, tantas que ahora hay una pausa. Si no "
        "fuiste tú, no tienes que hacer nada mientras nadie más sepa tu contraseña, y un segundo "
        "factor te protege aún mejor. Para elegir una nueva, lo que también termina la pausa:"
        "\n\n{link}",
    ),
    "halfway": Letter(
        "Quizá alguien sabe tu contraseña",
        "A la contraseña de tu cuenta siguieron códigos erróneos, tantos que ahora hay una pausa. "
        "Si no fuiste tú, elige enseguida una contraseña nueva:\n\n{link}",
    ),
    "ending": Letter(
        "Una clave de API tuya termina pronto",
        "Termina dentro de una semana, y entonces se rechazan los programas que la tienen. Para "
        "ver cuál es y crear otra:\n\n{link}",
    ),
    "identity": Letter(
        "Han cambiado las formas de entrar en tu cuenta",
        "Se conectó a tu cuenta, o se desconectó de ella, una identidad de otro proveedor. Si no "
        "fuiste tú, elige enseguida una contraseña nueva y mira tu cuenta:\n\n{link}",
    ),
}


def written(
    letter: str, locale: str, link: str, email: str, sender: str, *, place: str
) -> EmailMessage:
    """place: who writes, as people know it. With what RFC 5322 asks of each mail, and a word to
    programs that answer by themselves (RFC 3834)."""
    subject, text = (SPANISH if locale.startswith("es") else ENGLISH)[letter]
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, email, subject
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2] or None)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{text.format(link=link)}\n\n{place}\n", cte="8bit")
    return message
