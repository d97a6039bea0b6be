package certificate

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// words are the texts of a certificate in one language.
type words struct {
	rtl      bool // the page is laid out from right to left
	heading  string
	document string // the document's title; %s is the work's title
	test     string // across the page
	testSays string

	number, numberIs   string // %d, %d: registration number, version
	registered, issued string
	issuedBy, registry string
	file, audio        string // %s: a format, such as WAV
	network, networkIs string // %s, %d: its name, the block
	log, keyIs         string // %s: the key fingerprint
	transaction, hash  string
	commitment         string
	roles              map[string]string

	more, moreAttached string // %d: number of creators that do not fit
	proves, unseen     string
	provesNot, later   string
	made               string
	stamped            string // on the commitment; %s: the authority
	stampedBlock       string // on the block
	stampedBoth        string // on both
	witnessed          string // %s: names
	unwitnessed        string
	check              string
	step1, step2       string // %s: the address
	mail, page         string
	codeOf, pageOf     string // %s: the address of the work's page
	evidence           string // description of the attached file
	signed, signedNote string

	months  string // twelve, with | between
	day     string // {d} {month} {y}
	comma   string // between roles; "" for ", "
	decimal string
	kilo    string
	mega    string
}

// Languages returns the codes (BCP 47) for [Input]. Any other code gives English.
func Languages() []string { return []string{"en", "fr", "es", "de", "pt", "ja", "ar"} }

func wordsIn(language string) words {
	if w, ok := catalogue[language]; ok {
		return w
	}
	return catalogue["en"]
}

var catalogue = map[string]words{
	"en": {
		heading: "Certificate of registration", document: "Certificate of registration: %s",
		test: "TEST NETWORK", testSays: "Registered on a test network, for trying out. This is not a real registration.",
		number: "Registration number", numberIs: "No. %d, version %d", registered: "Registered", issued: "Certificate issued",
		issuedBy: "Issued by", registry: "Registry", file: "File", audio: "%s audio", network: "Network", networkIs: "%s, block %d",
		log: "Log", keyIs: "key fingerprint %s", transaction: "Transaction", hash: "File hash (SHA-256)", commitment: "Commitment",
		roles: map[string]string{"author": "Lyrics", "composer": "Music", "arranger": "Arrangement", "adapter": "Adaptation"},
		more:  "and %d more", moreAttached: "and %d more, all in the attached evidence",
		proves:       "This exact recording, title and list of creators was registered on the date above. Changing one letter or one sound would give a different commitment.",
		unseen:       "This exact file hash, title and list of creators was registered on the date above. Changing any of them would give a different commitment. The registry has not seen the recording. The holder of the recording can show that it has this hash.",
		provesNot:    "It does not prove by itself who made the work or who owns it. It proves what was declared, when, and that nothing has changed since. A court or an office decides what weight that has.",
		later:        "It says nothing about later versions: the work's public page shows them.",
		made:         "How they are made: the file hash is the SHA-256 of the recording's file. The commitment is the SHA-256 of the file hash, the title and the root of a SHA-256 tree of the creators.",
		stamped:      "The attached evidence holds a time-stamp on the commitment, by a time-stamp authority (RFC 3161): %s.",
		stampedBlock: "The attached evidence holds a time-stamp on the block of the log, by a time-stamp authority (RFC 3161): %s.",
		stampedBoth:  "The attached evidence holds time-stamps on the commitment and on the block of the log, by a time-stamp authority (RFC 3161): %s.",
		witnessed:    "Witnesses of the log have cosigned its state with this entry: %s. Their cosignatures are in the attached evidence.",
		unwitnessed:  "When this certificate was made, too few witnesses of the log had cosigned this entry. Evidence that is downloaded later can have more cosignatures.",
		check:        "How to check this certificate", step1: "Open %s in a browser.",
		step2: "Drop this PDF and the recording on that page. It says whether they match. Your files stay on your device.",
		mail:  "This PDF contains the creators' e-mail addresses, in the attached file evidence.json.", page: "Page 1 of 1",
		codeOf: "QR code of %s", pageOf: "The public page of this work: %s", evidence: "The evidence of this registration",
		signed: "Digitally signed by", signedNote: "A PDF reader checks the signature.",
		months: "January|February|March|April|May|June|July|August|September|October|November|December", day: "{d} {month} {y}, ", decimal: ".", kilo: "kB", mega: "MB",
	},
	"fr": {
		heading: "Certificat de dépôt", document: "Certificat de dépôt : %s",
		test: "RÉSEAU DE TEST", testSays: "Déposé sur un réseau de test, pour essayer. Ceci n’est pas un véritable dépôt.",
		number: "Numéro de dépôt", numberIs: "N° %d, version %d", registered: "Déposé le", issued: "Certificat émis le",
		issuedBy: "Émis par", registry: "Registre", file: "Fichier", audio: "audio %s", network: "Réseau", networkIs: "%s, bloc %d",
		log: "Journal", keyIs: "empreinte de la clé %s", transaction: "Transaction", hash: "Hachage du fichier (SHA-256)", commitment: "Commitment",
		roles: map[string]string{"author": "Paroles", "composer": "Musique", "arranger": "Arrangement", "adapter": "Adaptation"},
		more:  "et %d autres", moreAttached: "et %d autres, tous dans la preuve jointe",
		proves:       "Cet enregistrement exact, ce titre et cette liste de créateurs ont été déposés à la date ci-dessus. Une lettre ou un son de différence donnerait un autre commitment.",
		unseen:       "Ce hachage de fichier exact, ce titre et cette liste de créateurs ont été déposés à la date ci-dessus. Toute modification donnerait un autre commitment. Le registre n’a pas vu l’enregistrement. La personne qui l’a peut montrer qu’il a ce hachage.",
		provesNot:    "À lui seul, ce dépôt ne prouve pas qui a créé l’œuvre ni à qui elle appartient. Il prouve ce qui a été déclaré, à quelle date, et que rien n’a changé depuis. Un tribunal ou un office en apprécie la valeur.",
		later:        "Il ne dit rien des versions ultérieures : la page publique de l’œuvre les montre.",
		made:         "Calcul : le hachage du fichier est le SHA-256 du fichier de l’enregistrement. Le commitment est le SHA-256 du hachage du fichier, du titre et de la racine d’un arbre SHA-256 des créateurs.",
		stamped:      "La preuve jointe contient un horodatage du commitment par une autorité d’horodatage (RFC 3161) : %s.",
		stampedBlock: "La preuve jointe contient un horodatage du bloc du journal par une autorité d’horodatage (RFC 3161) : %s.",
		stampedBoth:  "La preuve jointe contient des horodatages du commitment et du bloc du journal par une autorité d’horodatage (RFC 3161) : %s.",
		witnessed:    "Des témoins du journal ont cosigné son état avec cette entrée : %s. Leurs cosignatures sont dans la preuve jointe.",
		unwitnessed:  "À l’émission de ce certificat, trop peu de témoins du journal avaient cosigné cette entrée. Une preuve téléchargée plus tard peut contenir plus de cosignatures.",
		check:        "Comment vérifier ce certificat", step1: "Ouvrez %s dans un navigateur.",
		step2: "Déposez ce PDF et l’enregistrement sur cette page. Elle dit s’ils correspondent. Vos fichiers restent sur votre appareil.",
		mail:  "Ce PDF contient les adresses e-mail des créateurs, dans le fichier joint evidence.json.", page: "Page 1 sur 1",
		codeOf: "Code QR de %s", pageOf: "La page publique de cette œuvre : %s", evidence: "La preuve de ce dépôt",
		signed: "Signé numériquement par", signedNote: "Un lecteur PDF vérifie la signature.",
		months: "janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre", day: "{d} {month} {y}, ", decimal: ",", kilo: "ko", mega: "Mo",
	},
	"es": {
		heading: "Certificado de registro", document: "Certificado de registro: %s",
		test: "RED DE PRUEBAS", testSays: "Registrado en una red de pruebas, para probar. No es un registro real.",
		number: "Número de registro", numberIs: "N.º %d, versión %d", registered: "Registrado el", issued: "Certificado emitido el",
		issuedBy: "Emitido por", registry: "Registro", file: "Archivo", audio: "audio %s", network: "Red", networkIs: "%s, bloque %d",
		log: "Log", keyIs: "huella de la clave %s", transaction: "Transacción", hash: "Hash del archivo (SHA-256)", commitment: "Commitment",
		roles: map[string]string{"author": "Letra", "composer": "Música", "arranger": "Arreglo", "adapter": "Adaptación"},
		more:  "y %d más", moreAttached: "y %d más, todos en la prueba adjunta",
		proves:       "Esta grabación exacta, este título y esta lista de creadores se registraron en la fecha indicada arriba. Una letra o un sonido distinto daría otro commitment.",
		unseen:       "Este hash de archivo exacto, este título y esta lista de creadores se registraron en la fecha indicada arriba. Cualquier cambio daría otro commitment. El registro no ha visto la grabación. Quien la tenga puede demostrar que tiene este hash.",
		provesNot:    "Por sí solo no prueba quién creó la obra ni a quién pertenece. Prueba qué se declaró, cuándo, y que nada ha cambiado desde entonces. Un tribunal o una oficina decide qué valor tiene.",
		later:        "No dice nada de versiones posteriores: la página pública de la obra las muestra.",
		made:         "Cómo se calculan: el hash del archivo es el SHA-256 del archivo de la grabación. El commitment es el SHA-256 del hash del archivo, el título y la raíz de un árbol SHA-256 de los creadores.",
		stamped:      "La prueba adjunta contiene un sello de tiempo del commitment, de una autoridad de sellado de tiempo (RFC 3161): %s.",
		stampedBlock: "La prueba adjunta contiene un sello de tiempo del bloque del registro, de una autoridad de sellado de tiempo (RFC 3161): %s.",
		stampedBoth:  "La prueba adjunta contiene sellos de tiempo del commitment y del bloque del registro, de una autoridad de sellado de tiempo (RFC 3161): %s.",
		witnessed:    "Testigos del log han cofirmado su estado con esta entrada: %s. Sus cofirmas están en la prueba adjunta.",
		unwitnessed:  "Al emitir este certificado, muy pocos testigos del log habían cofirmado esta entrada. Una prueba descargada más tarde puede contener más cofirmas.",
		check:        "Cómo comprobar este certificado", step1: "Abre %s en un navegador.",
		step2: "Suelta este PDF y la grabación en esa página. Dice si coinciden. Tus archivos se quedan en tu dispositivo.",
		mail:  "Este PDF contiene las direcciones de correo de los creadores, en el archivo adjunto evidence.json.", page: "Página 1 de 1",
		codeOf: "Código QR de %s", pageOf: "La página pública de esta obra: %s", evidence: "La prueba de este registro",
		signed: "Firmado digitalmente por", signedNote: "Un lector de PDF comprueba la firma.",
		months: "enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre", day: "{d} de {month} de {y}, ", decimal: ",", kilo: "kB", mega: "MB",
	},
	"de": {
		heading: "Registrierungszertifikat", document: "Registrierungszertifikat: %s",
		test: "TESTNETZ", testSays: "Zum Ausprobieren in einem Testnetz registriert. Dies ist keine echte Registrierung.",
		number: "Registernummer", numberIs: "Nr. %d, Version %d", registered: "Registriert am", issued: "Ausgestellt am",
		issuedBy: "Ausgestellt von", registry: "Register", file: "Datei", audio: "%s-Audio", network: "Netzwerk", networkIs: "%s, Block %d",
		log: "Log", keyIs: "Schlüssel-Fingerabdruck %s", transaction: "Transaktion", hash: "Datei-Hash (SHA-256)", commitment: "Commitment",
		roles: map[string]string{"author": "Text", "composer": "Musik", "arranger": "Arrangement", "adapter": "Bearbeitung"},
		more:  "und %d weitere", moreAttached: "und %d weitere, alle im angehängten Nachweis",
		proves:       "Genau diese Aufnahme, dieser Titel und diese Liste der Urheber wurden am oben genannten Datum registriert. Ein anderer Buchstabe oder ein anderer Ton ergäbe ein anderes Commitment.",
		unseen:       "Genau dieser Datei-Hash, dieser Titel und diese Liste der Urheber wurden am oben genannten Datum registriert. Jede Änderung ergäbe ein anderes Commitment. Das Register hat die Aufnahme nicht gesehen. Wer die Aufnahme hat, kann zeigen, dass sie diesen Hash hat.",
		provesNot:    "Das beweist allein nicht, wer das Werk geschaffen hat oder wem es gehört. Es beweist, was angegeben wurde, wann, und dass sich seither nichts geändert hat. Welches Gewicht das hat, entscheidet ein Gericht oder Amt.",
		later:        "Es sagt nichts über spätere Versionen: Die öffentliche Seite des Werks zeigt sie.",
		made:         "Berechnung: Der Datei-Hash ist der SHA-256 der Datei der Aufnahme. Das Commitment ist der SHA-256 von Datei-Hash, Titel und der Wurzel eines SHA-256-Baums der Urheber.",
		stamped:      "Der angehängte Nachweis enthält einen Zeitstempel einer Zeitstempelstelle auf das Commitment (RFC 3161): %s.",
		stampedBlock: "Der angehängte Nachweis enthält einen Zeitstempel einer Zeitstempelstelle auf den Block des Logs (RFC 3161): %s.",
		stampedBoth:  "Der angehängte Nachweis enthält Zeitstempel einer Zeitstempelstelle auf das Commitment und auf den Block des Logs (RFC 3161): %s.",
		witnessed:    "Zeugen des Logs haben seinen Stand mit diesem Eintrag mitgezeichnet: %s. Ihre Mitzeichnungen sind im angehängten Nachweis.",
		unwitnessed:  "Als dieses Zertifikat entstand, hatten zu wenige Zeugen des Logs diesen Eintrag mitgezeichnet. Ein später heruntergeladener Nachweis kann mehr Mitzeichnungen enthalten.",
		check:        "So prüfen Sie dieses Zertifikat", step1: "Öffnen Sie %s in einem Browser.",
		step2: "Ziehen Sie dieses PDF und die Aufnahme auf diese Seite. Sie sagt, ob beide zusammenpassen. Ihre Dateien bleiben auf Ihrem Gerät.",
		mail:  "Dieses PDF enthält die E-Mail-Adressen der Urheber, in der angehängten Datei evidence.json.", page: "Seite 1 von 1",
		codeOf: "QR-Code von %s", pageOf: "Die öffentliche Seite dieses Werks: %s", evidence: "Der Nachweis dieser Registrierung",
		signed: "Digital signiert von", signedNote: "Ein PDF-Programm prüft die Signatur.",
		months: "Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember", day: "{d}. {month} {y}, ", decimal: ",", kilo: "kB", mega: "MB",
	},
	"pt": {
		heading: "Certificado de registro", document: "Certificado de registro: %s",
		test: "REDE DE TESTE", testSays: "Registrado em uma rede de teste, para experimentar. Não é um registro real.",
		number: "Número de registro", numberIs: "N.º %d, versão %d", registered: "Registrado em", issued: "Certificado emitido em",
		issuedBy: "Emitido por", registry: "Registro", file: "Arquivo", audio: "áudio %s", network: "Rede", networkIs: "%s, bloco %d",
		log: "Log", keyIs: "impressão digital da chave %s", transaction: "Transação", hash: "Hash do arquivo (SHA-256)", commitment: "Commitment",
		roles: map[string]string{"author": "Letra", "composer": "Música", "arranger": "Arranjo", "adapter": "Adaptação"},
		more:  "e mais %d", moreAttached: "e mais %d, todos na prova anexada",
		proves:      "Esta gravação exata, este título e esta lista de criadores foram registrados na data acima. Uma letra ou um som diferente daria outro commitment.",
		unseen:      "Este hash de arquivo exato, este título e esta lista de criadores foram registrados na data acima. Qualquer mudança daria outro commitment. O registro não viu a gravação. Quem tem a gravação pode mostrar que ela tem este hash.",
		provesNot:   "Por si só, isto não prova quem criou a obra nem a quem ela pertence. Prova o que foi declarado, quando, e que nada mudou desde então. Um tribunal ou órgão decide que peso isso tem.",
		later:       "Não diz nada sobre versões posteriores: a página pública da obra as mostra.",
		made:        "Como são calculados: o hash do arquivo é o SHA-256 do arquivo da gravação. O commitment é o SHA-256 do hash do arquivo, do título e da raiz de uma árvore SHA-256 dos criadores.",
		stamped:     "A prova anexada contém um carimbo do tempo do commitment, de uma autoridade de carimbo do tempo (RFC 3161): %s.",
		witnessed:   "Testemunhas do log coassinaram o seu estado com esta entrada: %s. As suas coassinaturas estão na prova anexada.",
		unwitnessed: "Quando este certificado foi emitido, poucas testemunhas do log tinham coassinado esta entrada. Uma prova descarregada mais tarde pode conter mais coassinaturas.",
		check:       "Como verificar este certificado", step1: "Abra %s em um navegador.",
		step2: "Solte este PDF e a gravação nessa página. Ela diz se os dois combinam. Seus arquivos ficam no seu dispositivo.",
		mail:  "Este PDF contém os endereços de e-mail dos criadores, no arquivo anexado evidence.json.", page: "Página 1 de 1",
		codeOf: "Código QR de %s", pageOf: "A página pública desta obra: %s", evidence: "A prova deste registro",
		signed: "Assinado digitalmente por", signedNote: "Um leitor de PDF verifica a assinatura.",
		months: "janeiro|fevereiro|março|abril|maio|junho|julho|agosto|setembro|outubro|novembro|dezembro", day: "{d} de {month} de {y}, ", decimal: ",", kilo: "kB", mega: "MB",
	},
	"ja": {
		heading: "登録証明書", document: "登録証明書：%s",
		test: "テストネットワーク", testSays: "これは試用のためのテストネットワークでの登録です。正式な登録ではありません。",
		number: "登録番号", numberIs: "No. %d、バージョン %d", registered: "登録日時", issued: "発行日時",
		issuedBy: "発行者", registry: "登録簿", file: "ファイル", audio: "%s 音声", network: "ネットワーク", networkIs: "%s、ブロック %d",
		log: "ログ", keyIs: "鍵の指紋 %s", transaction: "トランザクション", hash: "ファイルのハッシュ値 (SHA-256)", commitment: "コミットメント",
		roles: map[string]string{"author": "作詞", "composer": "作曲", "arranger": "編曲", "adapter": "訳詞・改作"},
		more:  "ほか %d 名", moreAttached: "ほか %d 名（全員が添付の証拠データにあります）",
		proves:      "この録音、この曲名、この作者一覧が、そのままの形で上記の日時に登録されました。一文字でも一音でも違えば、コミットメントは別の値になります。",
		unseen:      "このファイルのハッシュ値、この曲名、この作者一覧が、そのままの形で上記の日時に登録されました。どれかが変われば、コミットメントは別の値になります。登録簿は録音を受け取っていません。録音を持つ人は、録音がこのハッシュ値になることを示せます。",
		provesNot:   "この証明書だけでは、誰が作品を作ったか、権利が誰にあるかは証明されません。証明されるのは、申告の内容と日時、そしてその後の変更がないことです。証拠としての重みは、裁判所や役所が判断します。",
		later:       "後のバージョンについては何も示しません。後のバージョンは作品の公開ページで確認できます。",
		made:        "計算方法：ファイルのハッシュ値は録音ファイルの SHA-256 です。コミットメントは、ファイルのハッシュ値、曲名、作者の SHA-256 ハッシュ木の根をまとめた SHA-256 です。",
		stamped:     "添付の証拠データには、コミットメントに対するタイムスタンプ局のタイムスタンプ (RFC 3161) が含まれます：%s",
		witnessed:   "ログの証人が、この登録を含むログの状態に連署しています: %s。連署は添付の証拠データに含まれます。",
		unwitnessed: "この証明書の作成時には、この登録に連署したログの証人が足りませんでした。後でダウンロードする証拠データには、より多くの連署が含まれることがあります。",
		check:       "この証明書の確認方法", step1: "ブラウザーで %s を開きます。",
		step2: "この PDF と録音をそのページにドロップします。両方が合うかどうかが表示されます。ファイルは端末の外に出ません。",
		mail:  "この PDF の添付ファイル evidence.json には、作者のメールアドレスが含まれます。", page: "1 / 1 ページ",
		codeOf: "%s の QR コード", pageOf: "この作品の公開ページ：%s", evidence: "この登録の証拠データ",
		signed: "電子署名", signedNote: "署名は PDF リーダーで確認できます。",
		months: "1月|2月|3月|4月|5月|6月|7月|8月|9月|10月|11月|12月", day: "{y}年{month}{d}日 ", comma: "、", decimal: ".", kilo: "kB", mega: "MB",
	},
	"ar": {
		rtl:     true,
		heading: "شهادة تسجيل", document: "شهادة تسجيل: %s",
		test: "شبكة اختبار", testSays: "سُجّل هذا العمل على شبكة اختبار بغرض التجربة. هذا ليس تسجيلًا حقيقيًا.",
		number: "رقم التسجيل", numberIs: "رقم %d، الإصدار %d", registered: "تاريخ التسجيل", issued: "تاريخ إصدار الشهادة",
		issuedBy: "جهة الإصدار", registry: "السجل", file: "الملف", audio: "صوت %s", network: "الشبكة", networkIs: "%s، الكتلة %d",
		log: "سجل الشفافية", keyIs: "بصمة المفتاح %s", transaction: "المعاملة", hash: "تجزئة الملف (SHA-256)", commitment: "الالتزام (Commitment)",
		roles: map[string]string{"author": "الكلمات", "composer": "اللحن", "arranger": "التوزيع", "adapter": "الاقتباس"},
		more:  "و%d آخرون", moreAttached: "و%d آخرون، كلهم في الدليل المرفق",
		proves:      "سُجّل هذا التسجيل الصوتي بعينه وهذا العنوان وقائمة المبدعين هذه في التاريخ المذكور أعلاه. أي تغيير في حرف أو صوت يعطي التزامًا مختلفًا.",
		unseen:      "سُجّلت تجزئة الملف هذه بعينها وهذا العنوان وقائمة المبدعين هذه في التاريخ المذكور أعلاه. أي تغيير فيها يعطي التزامًا مختلفًا. لم يطّلع السجل على التسجيل الصوتي. من يملك التسجيل الصوتي يستطيع إثبات أن له هذه التجزئة.",
		provesNot:   "لا يثبت هذا وحده من صنع العمل أو من يملكه. إنه يثبت ما صُرّح به ومتى، وأن شيئًا لم يتغير منذ ذلك الحين. تقدير قيمته كدليل يعود إلى المحكمة أو الجهة المختصة.",
		later:       "لا يذكر شيئًا عن الإصدارات اللاحقة: تعرضها الصفحة العامة للعمل.",
		made:        "طريقة الحساب: تجزئة الملف هي SHA-256 لملف التسجيل الصوتي. الالتزام هو SHA-256 لتجزئة الملف والعنوان وجذر شجرة SHA-256 للمبدعين.",
		stamped:     "يحتوي الدليل المرفق على ختم زمني للالتزام من جهة أختام زمنية (RFC 3161): %s.",
		witnessed:   "وقّع شهود السجل مع السجل على حالته التي تضم هذا القيد: %s. توقيعاتهم في الدليل المرفق.",
		unwitnessed: "عند إصدار هذه الشهادة لم يكن قد وقّع على هذا القيد عدد كافٍ من شهود السجل. قد يحتوي دليل يُنزَّل لاحقًا على توقيعات أكثر.",
		check:       "كيفية التحقق من هذه الشهادة", step1: "افتح %s في متصفح.",
		step2: "أفلت ملف PDF هذا والتسجيل الصوتي في تلك الصفحة. تخبرك الصفحة هل هما متطابقان. تبقى ملفاتك على جهازك.",
		mail:  "يحتوي ملف PDF هذا على عناوين البريد الإلكتروني للمبدعين، في الملف المرفق evidence.json.", page: "صفحة 1 من 1",
		codeOf: "رمز QR للعنوان %s", pageOf: "الصفحة العامة لهذا العمل: %s", evidence: "دليل هذا التسجيل",
		signed: "موقّع رقميًا من", signedNote: "يتحقق قارئ PDF من التوقيع.",
		months: "يناير|فبراير|مارس|أبريل|مايو|يونيو|يوليو|أغسطس|سبتمبر|أكتوبر|نوفمبر|ديسمبر", day: "{d} {month} {y}، ", comma: "، ", decimal: ".", kilo: "كيلوبايت", mega: "ميغابايت",
	},
}

// time returns a time to the second. Every language names the zone, which is UTC.
func (w words) time(t time.Time) string {
	t = t.UTC()
	month := strings.Split(w.months, "|")[t.Month()-1]
	return strings.NewReplacer("{d}", fmt.Sprint(t.Day()), "{month}", month, "{y}", fmt.Sprint(t.Year())).Replace(w.day) + t.Format("15:04:05") + " UTC"
}

// size rounds up, as the widget does: a megabyte is 1,048,576 bytes.
func (w words) size(bytes int64) string {
	const mega = 1 << 20
	if bytes < mega {
		return fmt.Sprintf("%d\u00a0%s", int64(math.Ceil(float64(bytes)/1024)), w.kilo)
	}
	n := fmt.Sprintf("%.1f", math.Ceil(float64(bytes)/mega*10)/10)
	return strings.Replace(strings.TrimSuffix(n, ".0"), ".", w.decimal, 1) + "\u00a0" + w.mega
}

// length returns minutes and seconds, and hours if there are any.
func length(d time.Duration) string {
	s := max(int64(math.Round(d.Seconds())), 1)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// Text between isolates has its own direction, such as an address in a line from right
// to left.
const isolates = "\u2068\u2069"

func (w words) isolated(s string) string {
	if !w.rtl {
		return s
	}
	return "\u2068" + s + "\u2069"
}
