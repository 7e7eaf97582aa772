"""Spanish for what pages say. The keys are the English; a test asks that none is missing."""

SPANISH = {
    "Allow": "Permitir",
    "Cancel": "Cancelar",
    "Choose an organisation": "Elige una organización",
    "Choose an organisation.": "Elige una organización.",
    "For which organisation?": "¿Para qué organización?",
    "will act for you in the organisation that you choose, and in no other.": (
        "actuará por ti en la organización que elijas, y en ninguna otra."
    ),
    "act for you in one organisation alone:": "actuar por ti en una sola organización:",
    "Your device asks for an organisation that you are not a member of.": (
        "Tu dispositivo pide una organización de la que no eres miembro."
    ),
    "Connected applications": "Aplicaciones conectadas",
    "Do not allow": "No permitir",
    "End its access": "Quitar el acceso",
    "Allow access to your account?": "¿Permitir el acceso a tu cuenta?",
    "No application has access.": "Ninguna aplicación tiene acceso.",
    "The application that sent you here is not known, or asks to send you where it is not "
    "registered. Tell those who run it.": (
        "La aplicación que te envió aquí no es conocida, o pide enviarte a donde no está "
        "registrada. Avisa a quienes la gestionan."
    ),
    "This link does not work": "Este enlace no funciona",
    "You are logged in as": "Has entrado como",
    "You will continue to": "Continuarás en",
    "use the permission": "usar el permiso",
    "keep this access when you have logged out": "conservar este acceso cuando hayas salido",
    "know that it is you": "saber que eres tú",
    "see your e-mail address": "ver tu correo electrónico",
    "see your name and language": "ver tu nombre y tu idioma",
    "would like to": "quisiera",
    "All your other sessions end.": "Se cierran todas tus demás sesiones.",
    "An authenticator app is set up. Recovery codes left:": (
        "Hay una aplicación de autenticación activa. Códigos de recuperación restantes:"
    ),
    "Authenticator app": "Aplicación de autenticación",
    "Change": "Cambiar",
    "Change the e-mail address": "Cambiar el correo electrónico",
    "Change the password": "Cambiar la contraseña",
    "Choose a new password": "Elige una contraseña nueva",
    "Close": "Cerrar",
    "Close the account for ever": "Cerrar la cuenta para siempre",
    "Code": "Código",
    "Code of the device": "Código del dispositivo",
    "Confirm": "Confirmar",
    "Connect a device": "Conectar un dispositivo",
    "Confirm your e-mail address": "Confirma tu correo electrónico",
    "Download": "Descargar",
    "E-mail": "Correo electrónico",
    "End": "Cerrar",
    "End all others": "Cerrar todas las demás",
    "Enter the six digits your authenticator app shows, or one of your recovery codes.": (
        "Escribe los seis dígitos de tu aplicación de autenticación, o un código de recuperación."
    ),
    "Everything about you is deleted at once. Download it first if you want to keep it.": (
        "Todo lo tuyo se borra al momento. Descárgalo antes si quieres conservarlo."
    ),
    "Your data (JSON)": "Tus datos (JSON)",
    "Download your data (JSON)": "Descargar tus datos (JSON)",
    "Forgot your password?": "¿Olvidaste tu contraseña?",
    "Continue": "Continuar",
    "Go on only if the device is in front of you and you began this yourself. If somebody sent "
    "you the code or a link, do not allow it: they would get into your account.": (
        "Sigue solo si tienes el dispositivo delante y lo has empezado tú. Si alguien te envió el "
        "código o un enlace, no lo permitas: entraría en tu cuenta."
    ),
    "Language of your e-mails": "Idioma de tus correos",
    "It may do so until you end its access in your account.": (
        "Podrá hacerlo hasta que le quites el acceso en tu cuenta."
    ),
    "It may do so until you log out.": "Podrá hacerlo hasta que salgas.",
    "Log in": "Entrar",
    "Use another account": "Usar otra cuenta",
    "Log out": "Salir",
    "Do you want to log out?": "¿Quieres salir?",
    "Stay logged in": "Seguir dentro",
    "For your safety, log in once more before you change this.": (
        "Por tu seguridad, entra otra vez antes de cambiar esto."
    ),
    "Your address now is": "Tu dirección ahora es",
    "To change it, enter the six digits it shows, or one of your recovery codes. New recovery "
    "codes replace the old ones.": (
        "Para cambiarla, escribe los seis dígitos que muestra o un código de recuperación. Los "
        "códigos de recuperación nuevos sustituyen a los anteriores."
    ),
    "These may do something in your name, and see something of you.": (
        "Estas pueden hacer algo en tu nombre y ver algo de ti."
    ),
    "since": "desde",
    "You are its only member: when you leave, it is deleted.": (
        "Eres su único miembro: cuando la dejes, se borra."
    ),
    "Delete it with everything in it": "Borrarla con todo lo que contiene",
    "Logging in": "Acceso",
    "Create an account": "Crear una cuenta",
    "Create new recovery codes": "Crear nuevos códigos de recuperación",
    "Name": "Nombre",
    "QR code for the app": "Código QR para la aplicación",
    "Rename": "Cambiar el nombre",
    "Do you have an account already?": "¿Ya tienes una cuenta?",
    "New e-mail address": "Nuevo correo electrónico",
    "New password": "Contraseña nueva",
    "Or type this into the app:": "O escribe esto en la aplicación:",
    "Password": "Contraseña",
    "Current password": "Contraseña actual",
    "Press the button if the address is yours and you asked for this.": (
        "Pulsa el botón si la dirección es tuya y lo has pedido tú."
    ),
    "Remove the app": "Quitar la aplicación",
    "Save": "Guardar",
    "Scan this with an authenticator app, then enter the six digits it shows.": (
        "Escanea esto con una aplicación de autenticación y escribe los seis dígitos que muestra."
    ),
    "Send the link": "Enviar el enlace",
    "Set up": "Activar",
    "At least {least} characters. The longer the better; a few words that do not belong together "
    "are good.": (
        "Al menos {least} caracteres. Cuanto más larga, mejor; unas palabras sin relación entre sí "
        "son una buena idea."
    ),
    "Type the code that your device shows.": "Escribe el código que muestra tu dispositivo.",
    "Unknown browser": "Navegador desconocido",
    "We send a link to your address with which you choose a new one.": (
        "Enviamos a tu dirección un enlace con el que eliges una nueva."
    ),
    "What we hold about you": "Lo que guardamos sobre ti",
    "Where you are logged in": "Dónde tienes la sesión abierta",
    "Your account": "Tu cuenta",
    "Your device must show this code:": "Tu dispositivo debe mostrar este código:",
    "Your recovery codes": "Tus códigos de recuperación",
    "confirmed": "confirmado",
    "here": "aquí",
    "not confirmed": "sin confirmar",
    "Follow the link in the e-mail that we have sent you.": (
        "Abre el enlace del correo que te hemos enviado."
    ),
    "Send it again": "Enviarlo de nuevo",
    "on": "activa",
    # Of passkeys and devices
    "A passkey is kept by your phone, computer or security key. It logs you in without a "
    "password, and stands in for the code of an app.": (
        "Una llave de acceso la guarda tu teléfono, ordenador o llave de seguridad. Con ella "
        "entras sin contraseña, y vale por el código de una aplicación."
    ),
    "A second factor is needed": "Hace falta un segundo factor",
    "Add a passkey": "Añadir una llave de acceso",
    "Add a passkey first.": "Añade antes una llave de acceso.",
    "Choose a password": "Elegir una contraseña",
    "Choose a password first: without this passkey nobody could log in.": (
        "Elige antes una contraseña: sin esta llave nadie podría entrar."
    ),
    "Confirm that it is you": "Confirma que eres tú",
    "Devices that are not asked for a code": "Dispositivos a los que no se pide código",
    "Do not ask again on this device for {days} days": (
        "No volver a preguntar en este dispositivo durante {days} días"
    ),
    "Each of them works once, instead of your app or passkey. Keep them where you find them "
    "without your phone: they are not shown again.": (
        "Cada uno sirve una vez, en lugar de tu aplicación o llave de acceso. Guárdalos donde "
        "los encuentres sin tu teléfono: no se muestran de nuevo."
    ),
    "Forget": "Olvidar",
    "Go back without": "Volver sin él",
    "Log in with a passkey": "Entrar con una llave de acceso",
    "Name, such as: phone": "Nombre, por ejemplo: teléfono",
    "No passkey was added. Perhaps this device has one for you already.": (
        "No se añadió ninguna llave. Quizá este dispositivo ya tenga una tuya."
    ),
    "No passkey was used. Try again, or go on in another way.": (
        "No se usó ninguna llave. Inténtalo de nuevo, o sigue de otra forma."
    ),
    "Passkeys": "Llaves de acceso",
    "Passkeys only": "Solo llaves de acceso",
    "Recovery codes left:": "Códigos de recuperación restantes:",
    "Remove": "Quitar",
    "Remove the password": "Quitar la contraseña",
    "Set up an authenticator app": "Activar una aplicación de autenticación",
    "That passkey does not log in here.": "Esa llave de acceso no sirve para entrar aquí.",
    "That passkey was not added.": "Esa llave de acceso no se ha añadido.",
    "There are none yet.": "Todavía no hay ninguna.",
    "To add a passkey, switch JavaScript on.": (
        "Para añadir una llave de acceso, activa JavaScript."
    ),
    "To log in with a passkey, switch JavaScript on.": (
        "Para entrar con una llave de acceso, activa JavaScript."
    ),
    "To use a passkey, switch JavaScript on.": "Para usar una llave de acceso, activa JavaScript.",
    "Use a passkey": "Usar una llave de acceso",
    "What you are about to do takes more than a password. Set up one of these; you go on "
    "afterwards.": (
        "Lo que vas a hacer pide más que una contraseña. Activa una de estas; después sigues."
    ),
    "Without your passkey, enter one of your recovery codes.": (
        "Sin tu llave de acceso, escribe uno de tus códigos de recuperación."
    ),
    "You have a passkey, and can do without a password. You can set a new one by e-mail at any "
    "time.": (
        "Tienes una llave de acceso y puedes prescindir de la contraseña. Siempre puedes poner "
        "otra por correo."
    ),
    "Your account has no password.": "Tu cuenta no tiene contraseña.",
    "added": "añadida",
    "last used": "usada por última vez",
    "Connect": "Conectar",
    "Connect another": "Conectar otra",
    "Connected identities": "Identidades conectadas",
    "Disconnect": "Desconectar",
    "With an account at one of these you log in here without a password.": (
        "Con una cuenta en uno de estos sitios entras aquí sin contraseña."
    ),
    "connected": "conectada",
    "Continue with": "Continuar con",
    "Press the button to log in to this account with it from now on.": (
        "Pulsa el botón para entrar con ella en esta cuenta a partir de ahora."
    ),
    "or": "o",
    # Keys and organisations
    "do everything that you may do": "hacer todo lo que tú puedes hacer",
    "see your groups": "ver tus grupos",
    "see your organisations": "ver tus organizaciones",
    "API keys": "Claves de API",
    "Accept": "Aceptar",
    "Copy it now: it is not shown again. Whoever has it acts in your name.": (
        "Cópiala ahora: no se muestra de nuevo. Quien la tenga actúa en tu nombre."
    ),
    "Decline": "Rechazar",
    "Do you want to join this organisation? Its owners and members see your name and your "
    "e-mail address.": (
        "¿Quieres unirte a esta organización? Sus propietarios y miembros ven tu nombre y tu "
        "correo electrónico."
    ),
    "Everything that you may do": "Todo lo que tú puedes hacer",
    "How long does it work?": "¿Cuánto tiempo sirve?",
    "{days} days": "{days} días",
    "Invitations": "Invitaciones",
    "Invite somebody": "Invitar a alguien",
    "Leave the organisation": "Dejar la organización",
    "Create a key": "Crear una clave",
    "Create an organisation": "Crear una organización",
    "Make an owner": "Hacer propietario",
    "Members": "Miembros",
    "No longer an owner": "Quitar como propietario",
    "Nothing but your name": "Nada más que tu nombre",
    "Open": "Abrir",
    "Open invitations": "Invitaciones abiertas",
    "Programs that have one of these keys act in your name. Revoke those that you do not need.": (
        "Los programas que tienen una de estas claves actúan en tu nombre. Revoca las que no "
        "necesites."
    ),
    "Revoke": "Revocar",
    "Send the invitation": "Enviar la invitación",
    "What is it for?": "¿Para qué es?",
    "What may it do?": "¿Qué puede hacer?",
    "Withdraw": "Retirar",
    "Working together": "Trabajar con otros",
    "You are not a member of any organisation.": "No eres miembro de ninguna organización.",
    "You are invited": "Tienes una invitación",
    "You have no keys.": "No tienes ninguna clave.",
    "Your new key": "Tu clave nueva",
    "Your organisations": "Tus organizaciones",
    "as an owner": "como propietario",
    "never used": "nunca usada",
    "owner": "propietario",
    "until": "hasta",
    "you": "tú",
    "It was used before, it was withdrawn, or it is too old.": (
        "Ya se usó, se retiró o es demasiado antigua."
    ),
    "Log in with the address that was invited.": "Entra con la dirección que fue invitada.",
    "That address has had many letters. Wait a while.": (
        "Esa dirección ha recibido muchas cartas. Espera un rato."
    ),
    "That cannot be taken: a name is one line of up to 100 characters.": (
        "No se puede aceptar: un nombre es una línea de hasta 100 caracteres."
    ),
    "That is not there any more.": "Eso ya no está.",
    "There is no other owner. Make another member an owner first.": (
        "No hay otro propietario. Haz antes propietario a otro miembro."
    ),
    "This invitation is for somebody else": "Esta invitación es para otra persona",
    "This invitation is not open": "Esta invitación no está abierta",
    "You have as many as you may have.": "Tienes tantas como puedes tener.",
    # Said by the handlers
    "One more step": "Un paso más",
    "There is an account with this e-mail address. Log in to it, or choose a new password by "
    "mail, to connect them.": (
        "Hay una cuenta con este correo electrónico. Entra en ella, o elige una contraseña nueva "
        "por correo, para conectarlas."
    ),
    "No account is connected with it yet. Log in to yours first to connect them.": (
        "Todavía no hay ninguna cuenta conectada. Entra antes en la tuya para conectarlas."
    ),
    "This account cannot be used.": "Esta cuenta no se puede usar.",
    "You did not log in there. You can try again, or log in another way.": (
        "No has entrado allí. Puedes probar de nuevo o entrar de otra forma."
    ),
    "That page does not answer at the moment. Try again in a moment, or log in another way.": (
        "Esa página no responde. Prueba de nuevo en un momento o entra de otra forma."
    ),
    "What that page answered cannot be trusted. Log in another way.": (
        "La respuesta de esa página no es de fiar. Entra de otra forma."
    ),
    "This log-in is over, or it began in another browser. Begin again.": (
        "Este acceso ha terminado o empezó en otro navegador. Empieza de nuevo."
    ),
    "It is connected to another account already.": "Ya está conectada a otra cuenta.",
    "It is the last way to log in to your account. Choose a password first.": (
        "Es la última forma de entrar en tu cuenta. Elige antes una contraseña."
    ),
    "Check your e-mail": "Mira tu correo",
    "We have sent you an e-mail that says what to do next.": (
        "Te hemos enviado un correo que dice cómo seguir."
    ),
    "Done": "Hecho",
    "Your e-mail address is confirmed.": "Tu correo electrónico está confirmado.",
    "Your password is changed. Log in with the new one.": (
        "Tu contraseña ha cambiado. Entra con la nueva."
    ),
    "Your account is closed.": "Tu cuenta está cerrada.",
    "You are the last administrator: make somebody else one first.": (
        "Eres la última persona que administra: nombra antes a otra."
    ),
    "The link does not work": "El enlace no funciona",
    "It was used before, or it is too old. Ask for another one.": (
        "Ya se usó o es demasiado antiguo. Pide otro."
    ),
    "Wrong e-mail address or password.": "Correo electrónico o contraseña incorrectos.",
    "That is not your current password.": "Esa no es tu contraseña actual.",
    "Wrong code.": "Código incorrecto.",
    "That code is not known, or it is too old. Look at your device again.": (
        "Ese código no existe o es demasiado antiguo. Mira otra vez tu dispositivo."
    ),
    "Your device is logged in. You can go back to it.": (
        "Tu dispositivo ya tiene acceso. Puedes volver a él."
    ),
    "The application that sent you here asks to send you where it is not registered. Nothing has "
    "changed here.": (
        "La aplicación que te envió aquí quiere llevarte a donde no está registrada. Aquí no ha "
        "cambiado nada."
    ),
    "The device was refused, and knows nothing about you.": (
        "El dispositivo no tiene acceso y no sabe nada de ti."
    ),
    "Too many failures. Wait a while, or choose a new password by mail.": (
        "Demasiados fallos. Espera un rato, o elige una contraseña nueva por correo."
    ),
    "Too much is going on. Try again in a moment.": (
        "Hay demasiada actividad. Inténtalo de nuevo en un momento."
    ),
    "That cannot be done at the moment. Try again in a few minutes.": (
        "Ahora no se puede hacer. Inténtalo de nuevo en unos minutos."
    ),
    "Confirm your e-mail address first: see your mail.": (
        "Confirma antes tu correo electrónico: mira tu correo."
    ),
    "Confirm your e-mail address first: see your mail, or choose a new password by mail.": (
        "Confirma antes tu correo electrónico: mira tu correo, o elige una contraseña nueva por "
        "correo."
    ),
    "It was used before, or it is too old. Your account says whether your address is confirmed, "
    "and sends you another one.": (
        "Ya se usó o es demasiado antiguo. Tu cuenta dice si tu dirección está confirmada, y te "
        "envía otro."
    ),
    "The invitation is on its way.": "La invitación va de camino.",
    "That is not an e-mail address.": "Eso no es un correo electrónico.",
    "The password is too short.": "La contraseña es demasiado corta.",
    "The password is too long.": "La contraseña es demasiado larga.",
    "The password is one that many people use.": "Es una contraseña que usa mucha gente.",
    "The password is too easy to guess.": "La contraseña es demasiado fácil de adivinar.",
    "That form cannot be taken: it is too old, or your browser keeps no cookies. Load the page "
    "again.": (
        "Ese formulario no se puede aceptar: es demasiado antiguo, o tu navegador no guarda "
        "cookies. Carga la página de nuevo."
    ),
    "Press the button to go back to the application.": (
        "Pulsa el botón para volver a la aplicación."
    ),
    "Something went wrong": "Algo ha ido mal",
    "There is no such page. Its address may be mistyped, or the page is no more.": (
        "No existe esa página. Quizá la dirección esté mal escrita, o la página ya no exista."
    ),
    "This page cannot be asked for in that way. Go back, and try again.": (
        "Esta página no se puede pedir así. Vuelve atrás e inténtalo de nuevo."
    ),
    "Saved.": "Guardado.",
}
